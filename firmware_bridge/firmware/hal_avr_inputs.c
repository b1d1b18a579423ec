/* The eye, the slow inputs and the serial line on the ATmega328P. Pins as in docs/wiring.md. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

#include "hal_avr.h"

#define EYE (1 << PB0)
#define IN_PINS 0x0e /* PB1 confirmation, PB2 bin full, PB3 low air */
#define RX_RING 64

/* What the capture has seen since the main loop took the last edge: low halves, to be widened within 30 ms. */
static volatile uint16_t first_clock, first_count, last_clock;
static volatile uint8_t bounces;
static volatile bool pending;
static struct eye_edge burst; /* the edges that are pending, as far as the main loop has looked */
static bool known;            /* it has */
static bool taken;            /* the level that the main loop knows */

static volatile uint8_t rx[RX_RING], rx_head, rx_tail;
static volatile uint16_t overruns;
static uint8_t tx[40];
static volatile uint8_t tx_at, tx_length;

/* -- the eye ---------------------------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) bool eye_level(void) { return PINB & EYE; } /* dark, or the wire is cut */

/* Capture the edge away from the level that the eye has now. */
static inline __attribute__((always_inline)) void watch_eye(void) {
    if (eye_level())
        TCCR1B &= ~(1 << ICES1);
    else
        TCCR1B |= 1 << ICES1;
}

static inline __attribute__((always_inline)) void note_eye(uint16_t clock) {
    if (!pending) {
        first_clock = clock;
        first_count = count_low;
        pending = true;
    }
    last_clock = clock;
    bounces++;
}

ISR(TIMER1_CAPT_vect) {
    note_eye(ICR1);
    watch_eye();
}

bool hal_eye_blocked(void) { return eye_level(); }

static uint32_t widen(uint32_t now, uint16_t low) { return now - (uint16_t)((uint16_t)now - low); }

bool hal_eye_edge(struct eye_edge *edge) {
    uint16_t last;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        /* An edge that the capture missed, because it looked for one of the other direction. */
        if (!pending && eye_level() != taken && !(TIFR1 & (1 << ICF1)))
            note_eye(TCNT1);
        watch_eye();
    }
    if (!pending)
        return false;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        last = last_clock;
        burst.bounces = bounces;
    }
    uint32_t now = hal_clock();
    if (!known) {
        known = true;
        burst.clock = widen(now, first_clock);
        burst.count = widen(hal_count(), first_count);
    }
    burst.last_clock = widen(now, last);
    *edge = burst;
    return true;
}

void hal_eye_taken(const struct eye_edge *edge) {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        if (edge->bounces == bounces)
            pending = known = false;
        taken = eye_level();
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

void inputs_start(void) {
    PORTB = EYE | IN_PINS;
    PORTD = 1 << PD2 | 1 << PD3;
    watch_eye();
    taken = eye_level();
    UBRR0 = 1; /* 500 000 baud: exact at 16 MHz, here and in the chip that is the USB port of an Uno */
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
}
