/* The machine: ATmega328P at 16 MHz (Arduino Uno, Nano). Pins as in docs/wiring-controller.md.
 *
 * Timer 1 runs at 2 MHz and is the clock, the eye's capture, and the compare of timed edges. INT0 counts the belt.
 * Interrupts only stamp, count and move outputs; every rule is in the main loop.
 *
 * TIFR1 is never written: a write meant to clear one flag would clear all of them in Debian's simavr, and the clock
 * would lose an overflow. A stale compare is recognised by looking at the time instead. */
#include "hal.h"

#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <util/atomic.h>

#include "comms.h"
#include "parts.h"

#define EYE (1 << PB0)
#define IN_PINS 0x0e /* PB1 confirmation, PB2 bin full, PB3 low air */
#define LED (1 << PB5)
#define EARLY 8 /* ticks that a compare comes before its time: the way into the interrupt, then wait for the tick */
#define RX_RING 64

static volatile uint16_t clock_high, count_low, count_high, lag;
static volatile bool lost, quadrature;
static volatile uint8_t votes, fired;
static volatile uint16_t stamps[SLOTS];
static uint16_t strobe_ticks, strobe_end;

static struct edge_list lists[2][2];
static uint8_t active[2];
/* The list in use, unrolled for the interrupts: the next edge, how many are left, and the count of the next. */
static const struct edge *volatile next[2];
static volatile uint8_t left[2];
static volatile uint16_t next_count;

static volatile struct eye_edge eye_edge;
static volatile bool eye_pending;
static bool eye_taken; /* the level that the main loop knows */

static volatile uint8_t rx[RX_RING], rx_head, rx_tail;
static volatile uint16_t overruns;
static uint8_t tx[40];
static volatile uint8_t tx_at, tx_length;

/* -- time ------------------------------------------------------------------------------------------------------- */

ISR(TIMER1_OVF_vect) { clock_high++; }

static inline uint32_t widen(uint16_t low) {
    uint16_t high = clock_high;
    if ((TIFR1 & (1 << TOV1)) && low < 0x8000)
        high++;
    return (uint32_t)high << 16 | low;
}

uint32_t hal_clock(void) {
    uint32_t clock;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { clock = widen(TCNT1); }
    return clock;
}

uint32_t hal_count(void) {
    uint32_t count;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { count = (uint32_t)count_high << 16 | count_low; }
    return count;
}

bool hal_encoder_lost(void) { return lost; }

void hal_encoder(uint8_t kind) {
    quadrature = kind == ENCODER_QUADRATURE;
    if (kind == ENCODER_CLOCK)
        EIMSK = 0;
    else
        EIMSK = 1 << INT0;
}

/* The main loop takes a turn every 400 us and sleeps in between. */
static volatile bool turn;
ISR(TIMER0_COMPA_vect) { turn = true; }

/* -- outputs ---------------------------------------------------------------------------------------------------- */

/* One edge, with interrupts off. Short and without calls: the encoder's interrupt must reach the pin in 10 us. */
static inline __attribute__((always_inline)) void apply(const struct edge *edge) {
    uint8_t vote = edge->vote;
    if (vote) {
        vote |= votes;
        votes = vote;
        if (vote != 3)
            return;
    }
    uint8_t set = edge->set;
    PORTC = (PORTC | set) & ~edge->clear;
    uint16_t stamp = TCNT1;
    stamps[edge->slot] = stamp;
    fired |= set;
    if (set & OUT_CAMERA) {
        stamp += strobe_ticks;
        strobe_end = stamp;
        OCR1B = stamp;
        TIMSK1 |= 1 << OCIE1B;
    }
}

static inline __attribute__((always_inline)) void advance_count(void) {
    const struct edge *edge = next[BY_COUNT];
    apply(edge);
    next[BY_COUNT] = ++edge;
    left[BY_COUNT]--;
    next_count = edge->at;
}

ISR(INT0_vect) {
    if (quadrature) {
        uint8_t pins = PIND;
        if (!((pins >> 1 ^ pins) & 4)) {
            uint16_t behind = lag;
            if (behind == 0xffff)
                lost = true;
            else
                lag = behind + 1;
            return;
        }
    }
    uint16_t behind = lag;
    if (behind) {
        lag = behind - 1;
        return;
    }
    uint16_t count = count_low + 1;
    count_low = count;
    if (count == next_count && left[BY_COUNT])
        advance_count();
    if (count == 0)
        count_high++;
}

/* Edges by the clock that are due or about to be; between them other interrupts may come. */
static void serve_clock(void) {
    for (;;) {
        const struct edge *edge;
        bool again;
        int16_t ahead = 0;
        ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
            edge = next[BY_CLOCK];
            again = left[BY_CLOCK];
            if (again) {
                OCR1A = edge->at - EARLY;
                ahead = edge->at - TCNT1;
            }
        }
        if (!again || ahead > EARLY)
            return;
        for (ahead -= 3; ahead > 0; ahead--)
            __asm__ volatile("nop\n nop\n nop\n nop");
        ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { apply(edge); }
        next[BY_CLOCK] = edge + 1;
        left[BY_CLOCK]--;
    }
}

ISR(TIMER1_COMPA_vect) {
    /* The encoder must not wait until our tick has come. */
    TIMSK1 &= ~(1 << OCIE1A);
    sei();
    serve_clock();
    cli();
    TIMSK1 |= 1 << OCIE1A;
}

ISR(TIMER1_COMPB_vect) {
    if ((int16_t)(TCNT1 - strobe_end) < 0)
        return; /* a compare from an earlier turn of the timer */
    PORTC &= ~OUT_CAMERA;
    TIMSK1 &= ~(1 << OCIE1B);
}

void hal_strobe(uint16_t ticks) {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { strobe_ticks = ticks; }
}

uint8_t hal_outputs(void) { return PORTC & OUT_ALL; }

bool hal_outputs_stuck(void) {
    uint8_t wrong;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { wrong = PINC ^ PORTC; }
    return wrong & OUT_ALL;
}

void hal_drive(uint8_t set, uint8_t clear) {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { PORTC = (PORTC | set) & ~clear; }
}

uint8_t hal_take_fired(void) {
    uint8_t taken;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        taken = fired;
        fired = 0;
    }
    return taken;
}

uint16_t hal_stamp(uint8_t slot) {
    uint16_t stamp;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { stamp = stamps[slot]; }
    return stamp;
}

uint8_t hal_votes(void) { return votes; }
void hal_set_votes(uint8_t value) { votes = value; }

struct edge_list *hal_spare(enum domain domain) { return &lists[domain][!active[domain]]; }

const struct edge_list *hal_loaded(enum domain domain, uint8_t *done) {
    const struct edge_list *list = &lists[domain][active[domain]];
    *done = list->length - left[domain];
    return list;
}

bool hal_load(enum domain domain, const struct edge_list *list) {
    bool loaded = false;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        if (!fired) {
            loaded = true;
            active[domain] = list == &lists[domain][1];
            next[domain] = list->edges;
            left[domain] = list->length;
            next_count = next[BY_COUNT]->at;
        }
    }
    if (!loaded)
        return false;
    if (domain == BY_CLOCK) {
        TIMSK1 &= ~(1 << OCIE1A);
        serve_clock();
        TIMSK1 |= 1 << OCIE1A;
        return true;
    }
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        while (left[BY_COUNT] && (int16_t)(count_low - next_count) >= 0)
            advance_count();
    }
    return true;
}

/* -- inputs ----------------------------------------------------------------------------------------------------- */

static inline bool eye_level(void) { return PINB & EYE; } /* dark, or the wire is cut */

/* Capture the edge away from the level that the eye has now; look again, for it may have changed meanwhile. */
static inline void watch_eye(void) {
    bool level;
    do {
        level = eye_level();
        if (level)
            TCCR1B &= ~(1 << ICES1);
        else
            TCCR1B |= 1 << ICES1;
    } while (level != eye_level());
}

static inline void note_eye(uint32_t clock) {
    if (!eye_pending) {
        eye_edge.clock = clock;
        eye_edge.count = (uint32_t)count_high << 16 | count_low;
        eye_pending = true;
    }
    eye_edge.last_clock = clock;
    eye_edge.bounces++;
}

ISR(TIMER1_CAPT_vect) {
    uint32_t clock = widen(ICR1);
    TIMSK1 &= ~(1 << ICIE1);
    sei();
    watch_eye();
    uint32_t count = hal_count();
    cli();
    if (!eye_pending) {
        eye_edge.clock = clock;
        eye_edge.count = count;
        eye_pending = true;
    }
    eye_edge.last_clock = clock;
    eye_edge.bounces++;
    TIMSK1 |= 1 << ICIE1;
}

bool hal_eye_blocked(void) { return eye_level(); }

bool hal_eye_edge(struct eye_edge *edge) {
    bool pending;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        /* An edge so short after another that the capture missed it. */
        if (!eye_pending && eye_level() != eye_taken)
            note_eye(widen(TCNT1));
        pending = eye_pending;
        edge->clock = eye_edge.clock;
        edge->count = eye_edge.count;
        edge->last_clock = eye_edge.last_clock;
        edge->bounces = eye_edge.bounces;
    }
    return pending;
}

void hal_eye_taken(const struct eye_edge *edge) {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        if (edge->bounces == eye_edge.bounces)
            eye_pending = false;
        eye_taken = eye_level();
    }
}

uint8_t hal_inputs(void) { return (PINB & IN_PINS) >> 1; }

/* -- the serial line -------------------------------------------------------------------------------------------- */

ISR(USART_RX_vect) {
    if (UCSR0A & (1 << DOR0))
        overruns++;
    uint8_t head = rx_head, after = (head + 1) % RX_RING;
    rx[head] = UDR0;
    if (after == rx_tail)
        overruns++;
    else
        rx_head = after;
}

ISR(USART_UDRE_vect) {
    uint8_t at = tx_at;
    UDR0 = tx[at++];
    tx_at = at;
    if (at == tx_length)
        UCSR0B &= ~(1 << UDRIE0);
}

bool hal_receive(uint8_t *byte) {
    uint8_t tail = rx_tail;
    if (tail == rx_head)
        return false;
    *byte = rx[tail];
    rx_tail = (tail + 1) % RX_RING;
    return true;
}

uint16_t hal_overruns(void) {
    uint16_t count;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { count = overruns; }
    return count;
}

bool hal_sending(void) { return UCSR0B & (1 << UDRIE0); }

void hal_send(const uint8_t *bytes, uint8_t length) {
    for (uint8_t i = 0; i < length; i++)
        tx[i] = bytes[i];
    tx_at = 0;
    tx_length = length;
    UCSR0B |= 1 << UDRIE0;
}

/* -- birth ------------------------------------------------------------------------------------------------------ */

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

static void start_machine(void) {
    DDRC = OUT_ALL;
    DDRB = LED;
    PORTB = EYE | IN_PINS;
    PORTD = 1 << PD2 | 1 << PD3;
    EICRA = 1 << ISC00; /* both edges of A */
    TCCR1A = 0;
    TCCR1B = 1 << ICNC1 | 1 << CS11;
    TCCR0A = 1 << WGM01;
    TCCR0B = 1 << CS01 | 1 << CS00; /* 250 kHz */
    OCR0A = 99;
    TIMSK0 = 1 << OCIE0A;
    watch_eye();
    eye_taken = eye_level();
    TIMSK1 = 1 << TOIE1 | 1 << ICIE1 | 1 << OCIE1A;
    UBRR0 = 3; /* 250 000 baud: exact at 16 MHz */
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
}

int main(void) {
    struct birth birth = {kept.check == (kept.parts ^ KEPT) ? kept.parts : 0, reset_cause};
    uint32_t number = next_boot();
    start_machine();
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
