/* Birth and main loop on the ATmega328P: what is left of the life before, the boot counter, the watchdog. */
#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>

#include "comms.h"
#include "hal_avr.h"
#include "parts.h"

#define LED (1 << PB5)

/* Two copies in turn, each with its complement: a power cut while one is written leaves the other. */
static uint32_t next_boot(void) {
    uint32_t last = 0;
    for (uint8_t i = 0; i < 2; i++) {
        uint32_t *slot = (uint32_t *)(uint16_t)(i * 8);
        uint32_t value = eeprom_read_dword(slot);
        if (value == ~eeprom_read_dword(slot + 1) && value > last)
            last = value;
    }
    uint32_t *slot = (uint32_t *)(uint16_t)((++last & 1) * 8);
    eeprom_update_dword(slot, last);
    eeprom_update_dword(slot + 1, ~last);
    return last;
}

static struct kept {
    uint32_t parts, check; /* survives a reset, though not a loss of power */
} kept __attribute__((section(".noinit")));
#define KEPT 0x70617274UL

static uint8_t reset_cause __attribute__((section(".noinit")));

void first(void) __attribute__((naked, used, section(".init3")));
void first(void) {
    reset_cause = MCUSR;
    MCUSR = 0;
    wdt_disable();
}

/* The main loop takes a turn every 400 us and sleeps in between. */
static volatile bool turn;
ISR(TIMER0_COMPA_vect) { turn = true; }

static void start_turns(void) {
    TCCR0A = 1 << WGM01;
    TCCR0B = 1 << CS01 | 1 << CS00; /* 250 kHz */
    OCR0A = 99;
    TIMSK0 = 1 << OCIE0A;
}

int main(void) {
    struct birth birth = {kept.check == (kept.parts ^ KEPT) ? kept.parts : 0, reset_cause};
    uint32_t number = next_boot();
    DDRB = LED;
    edges_start();
    inputs_start();
    start_turns();
    controller_start(number, &birth);
    wdt_enable(WDTO_250MS);
    sei();
    for (;;) {
        wdt_reset();
        controller_poll();
        kept.parts = parts_next - 1;
        kept.check = kept.parts ^ KEPT;
        if (parts_mode == MODE_RUN)
            PORTB |= LED;
        else
            PORTB &= ~LED;
        while (!turn)
            sleep_mode();
        turn = false;
    }
}
