/* Time, belt and timed edges on the ATmega328P at 16 MHz (Arduino Uno, Nano). Pins as in docs/wiring.md.
 *
 * Timer 1 runs at 2 MHz and is the clock, the eye's capture, and the compare of timed edges. INT0 counts the belt.
 * Interrupts only stamp, count and move outputs; every rule is in the main loop. What they promise: an edge by count
 * comes within 10 us of the encoder's edge; one by the clock within 1 us of its tick, 25 us with the encoder at 20 kHz.
 * So no code keeps interrupts out for longer than 85 cycles.
 *
 * TIFR1 is never written: a write meant to clear one flag would clear all of them in Debian's simavr, and the clock
 * would lose an overflow. A stale compare is recognised by looking at the time instead. */
#include "hal_avr.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

#include "protocol.h"

/* Ticks that a compare comes before its edge: as long as others may hold it up, and its own way in. From NEAR ticks
 * before the edge only the encoder may interrupt, which lets the longest other interrupt end in time; from SHUT ticks
 * before, nobody may. */
#define EARLY 28
#define NEAR 11
#define SHUT 2
#define SHORTEST_STROBE 40 /* ticks: the compare that ends it must still be to come when it is set */

volatile uint16_t clock_high, count_low, count_high;
static volatile uint16_t lag;
static volatile bool lost;
static volatile uint8_t quadrature; /* the mask of pin A, or 0 */
static volatile uint8_t votes, fired;
static volatile uint16_t stamps[SLOTS];
static uint16_t strobe_ticks, strobe_end;

static struct edge_list lists[2][2];
static uint8_t active[2];
/* The list in use, unrolled for the interrupts: the next edge, how many are left, and what is next to happen to the port. */
static const struct edge *volatile next[2];
static volatile uint8_t left[2];
static volatile uint16_t next_count;
static volatile struct {
    uint8_t set, keep;
} moves[2];

/* -- time ------------------------------------------------------------------------------------------------------- */

ISR(TIMER1_OVF_vect) { clock_high++; }

uint32_t hal_clock(void) {
    uint16_t low, high;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        low = TCNT1;
        high = clock_high;
        if ((TIFR1 & (1 << TOV1)) && low < 0x8000)
            high++;
    }
    return (uint32_t)high << 16 | low;
}

uint32_t hal_count(void) {
    uint32_t count;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { count = (uint32_t)count_high << 16 | count_low; }
    return count;
}

bool hal_encoder_lost(void) { return lost; }

void hal_encoder(uint8_t kind) {
    quadrature = kind == ENCODER_QUADRATURE ? 1 << PD2 : 0;
    EIMSK = kind == ENCODER_CLOCK ? 0 : 1 << INT0;
}

/* -- edges ------------------------------------------------------------------------------------------------------ */

/* All edges of one instant move the port in one write, which is made ready here: interrupts are too short to look it
 * up. An edge with a vote moves it only with the second vote. Interrupts are off in all of these. */
static void arm(void) {
    for (uint8_t domain = 0; domain < 2; domain++) {
        const struct edge *edge = next[domain];
        uint8_t set = 0, keep = 0xff, cast = votes;
        uint16_t at = edge->at;
        for (uint8_t i = left[domain]; i && edge->at == at; i--, edge++) {
            if (edge->vote && (cast |= edge->vote) != 3)
                continue;
            set |= edge->set;
            keep &= ~edge->clear;
        }
        moves[domain].set = set;
        moves[domain].keep = keep;
    }
    next_count = next[BY_COUNT]->at;
}

static inline __attribute__((always_inline)) void move(enum domain domain) {
    PORTC = (PORTC | moves[domain].set) & moves[domain].keep;
}

/* The first edge that is left has moved its pin at `stamp`. */
static inline __attribute__((always_inline)) void made(enum domain domain, uint16_t stamp) {
    const struct edge *edge = next[domain];
    uint8_t set = edge->set, vote = edge->vote;
    next[domain] = edge + 1;
    left[domain]--;
    if (vote && (votes |= vote) != 3)
        return;
    stamps[edge->slot] = stamp;
    fired |= set;
    if (set & OUT_CAMERA) {
        stamp += strobe_ticks;
        strobe_end = stamp;
        OCR1B = stamp;
        TIMSK1 |= 1 << OCIE1B;
    }
}

/* The belt has come to `next_count`. */
static inline __attribute__((always_inline)) void move_by_count(void) {
    move(BY_COUNT);
    uint16_t stamp = TCNT1, at = next_count;
    do
        made(BY_COUNT, stamp);
    while (left[BY_COUNT] && next[BY_COUNT]->at == at);
    arm();
}

ISR(INT0_vect) {
    uint8_t pins = PIND, mask = quadrature;
    if (mask && !((pins >> 1 ^ pins) & mask)) {
        uint16_t behind = lag;
        if (behind == 0xffff)
            lost = true;
        else
            lag = behind + 1;
        return;
    }
    uint16_t behind = lag;
    if (behind) {
        lag = behind - 1;
        return;
    }
    uint16_t count = count_low + 1;
    count_low = count;
    if (count == next_count && left[BY_COUNT])
        move_by_count();
    if (count == 0)
        count_high++;
}

/* The same for whoever is in less of a hurry. A vote by the clock may be the second for an edge by count. */
static __attribute__((noinline)) void settle(enum domain domain, uint16_t stamp) {
    made(domain, stamp);
    arm();
}

/* Interrupts off: wait for the tick `at`, if it is still to come, and move the port. Only the encoder gets a word in:
 * one interrupt is served between `sei` and `cli`, and its is the first. */
static inline __attribute__((always_inline)) uint16_t move_by_clock(uint8_t at) {
    while ((int8_t)(at - TCNT1L) > SHUT)
        if (EIFR & EIMSK & (1 << INTF0))
            __asm__ volatile("sei\n nop\n cli" ::: "memory");
    while ((int8_t)(at - TCNT1L) > 1) /* the way to the pin takes the last tick */
        ;
    move(BY_CLOCK);
    return TCNT1;
}

/* Edges by the clock that are due or about to be; between them other interrupts may come. A compare that has gone by
 * meanwhile, or is about to before its interrupt is allowed again, is not waited for. */
static void serve_clock(void) {
    for (;;) {
        uint16_t at = 0, stamp;
        int16_t ahead = 0;
        bool again;
        ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
            again = left[BY_CLOCK];
            if (again) {
                at = next[BY_CLOCK]->at;
                OCR1A = at - EARLY;
                ahead = at - TCNT1;
            }
        }
        if (!again || ahead > EARLY + 12)
            return;
        while (ahead > NEAR && (int8_t)((uint8_t)at - TCNT1L) > NEAR)
            ;
        ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { stamp = ahead > 0 ? move_by_clock(at) : move_by_clock(TCNT1L); }
        do
            ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { settle(BY_CLOCK, stamp); }
        while (left[BY_CLOCK] && next[BY_CLOCK]->at == at);
    }
}

static void allow_compare(bool allowed) {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        if (allowed)
            TIMSK1 |= 1 << OCIE1A;
        else
            TIMSK1 &= ~(1 << OCIE1A);
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

struct edge_list *hal_spare(enum domain domain) { return &lists[domain][!active[domain]]; }

const struct edge_list *hal_loaded(enum domain domain, uint8_t *done) {
    const struct edge_list *list = &lists[domain][active[domain]];
    *done = list->length - left[domain];
    return list;
}

static bool take(enum domain domain, const struct edge_list *list) {
    bool taken = false;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        if (!fired) {
            taken = true;
            active[domain] = list == &lists[domain][1];
            next[domain] = list->edges;
            left[domain] = list->length;
            arm();
        }
    }
    return taken;
}

/* Edges whose count has gone by already. */
static void catch_up(void) {
    bool due;
    do
        ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
            due = left[BY_COUNT] && (int16_t)(count_low - next_count) >= 0;
            if (due) {
                move(BY_COUNT);
                settle(BY_COUNT, TCNT1);
            }
        }
    while (due);
}

bool hal_load(enum domain domain, const struct edge_list *list) {
    if (!take(domain, list))
        return false;
    if (domain == BY_CLOCK) {
        allow_compare(false);
        serve_clock();
        allow_compare(true);
        return true;
    }
    catch_up();
    return true;
}

/* -- outputs ---------------------------------------------------------------------------------------------------- */

void hal_strobe(uint16_t ticks) {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { strobe_ticks = ticks < SHORTEST_STROBE ? SHORTEST_STROBE : ticks; }
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

void hal_set_votes(uint8_t value) {
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        votes = value;
        arm();
    }
}

void edges_start(void) {
    DDRC = OUT_ALL;
    next[BY_COUNT] = lists[BY_COUNT][0].edges;
    next[BY_CLOCK] = lists[BY_CLOCK][0].edges;
    EICRA = 1 << ISC00; /* both edges of A */
    TCCR1A = 0;
    TCCR1B = 1 << ICNC1 | 1 << CS11;
    TIMSK1 = 1 << TOIE1 | 1 << ICIE1 | 1 << OCIE1A;
}
