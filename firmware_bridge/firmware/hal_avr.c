/* Time, belt and timed edges on the ATmega328P at 16 MHz (Arduino Uno, Nano). Pins as in docs/wiring.md.
 *
 * Timer 1 runs at 2 MHz and is the clock, the eye's capture, and the compare of timed edges. INT0 counts the belt.
 * Interrupts only stamp, count and move outputs; every rule is in the main loop. What they promise: an edge by count
 * comes within 10 us of the encoder's edge; one by the clock within 1 us of its tick, 25 us with the encoder at 20 kHz.
 * So nothing keeps the encoder's interrupt waiting for longer than 100 cycles, but its own bookkeeping after an edge.
 *
 * TIFR1 is never written: a write meant to clear one flag would clear all of them in Debian's simavr, and the clock
 * would lose an overflow. A stale compare is recognised by looking at the time instead. */
#include "hal_avr.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

#include "protocol.h"

/* Ticks that a compare comes before its edge: as long as others may hold it up, and its own way in. From NEAR ticks
 * before the edge only the encoder may interrupt, so that two other interrupts, one after the other, end in time; from
 * SHUT ticks before, nobody may. */
#define EARLY 40
#define NEAR 20
#define SHUT 3
/* Bits of GPIOR0, which can be tested without a register. */
#define QUADRATURE 0
#define BEHIND 1 /* lag is not 0 */
#define SHORTEST_STROBE 40 /* ticks: the compare that ends it must still be to come when it is set */

volatile uint16_t clock_high, count_low, count_high;
/* How far the belt has run back, and not forth again. */
static volatile uint16_t lag;
static volatile bool lost;
static volatile uint8_t votes, fired;
static volatile uint16_t stamps[SLOTS];
static uint16_t strobe_ticks, strobe_end;

static struct edge_list lists[2][2];
static uint8_t active[2];
/* The list in use, unrolled for the interrupts: the next edge, how many are left, and what is next to happen to the port. */
static const struct edge *volatile next[2];
static volatile uint8_t left[2];
static volatile uint16_t next_count, count_stamp;
static struct move {
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
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { lag = 0; }
    GPIOR0 = kind == ENCODER_QUADRATURE ? 1 << QUADRATURE : 0;
    EIMSK = kind == ENCODER_CLOCK ? 0 : 1 << INT0;
}

/* -- edges ------------------------------------------------------------------------------------------------------ */

/* What the edges at the head of a list do to the port, all that are of one instant, in one write. It is made ready
 * before, since an interrupt is too short to look it up. An edge with a vote is left out: `made` sees to it. */
static __attribute__((noinline)) struct move move_of(const struct edge *edge, uint8_t length) {
    struct move move = {0, 0xff};
    if (length) {
        uint16_t at = edge->at;
        do {
            if (!edge->vote) {
                move.set |= edge->set;
                move.keep &= ~edge->clear;
            }
            edge++;
        } while (--length && edge->at == at);
    }
    return move;
}

static inline __attribute__((always_inline)) void move(enum domain domain) {
    PORTC = (PORTC | moves[domain].set) & moves[domain].keep;
}

/* An edge has come; its pin moved at `stamp`, but for an edge with a vote, which moves it now if its vote is the
 * second. Interrupts are off. */
static __attribute__((noinline)) void made(const struct edge *edge, uint16_t stamp) {
    uint8_t set = edge->set, vote = edge->vote;
    if (set) {
        stamps[edge->slot] = stamp;
        fired |= set;
        if (set & OUT_CAMERA) {
            stamp += strobe_ticks;
            strobe_end = stamp;
            OCR1B = stamp;
            TIMSK1 |= 1 << OCIE1B;
        }
    } else if (vote) {
        vote |= votes;
        votes = vote;
        if (vote == 3)
            PORTC &= ~edge->clear;
    }
}

/* The port has moved as the edges of `next_count` ask: what follows from that. */
static __attribute__((noinline)) void settle_count(uint16_t stamp) {
    const struct edge *edge = next[BY_COUNT];
    uint16_t at = next_count;
    uint8_t length = left[BY_COUNT];
    for (; length && edge->at == at; length--, edge++)
        made(edge, stamp);
    next[BY_COUNT] = edge;
    left[BY_COUNT] = length;
    next_count = edge->at;
    moves[BY_COUNT] = move_of(edge, length);
}

/* -- the encoder ------------------------------------------------------------------------------------------------ */

/* The short way, with three registers: one count forwards, and the port if it is `next_count`. At 20 kHz it runs in
 * every 800 cycles, and from the encoder's edge to the pin is what 10 us are promised for. Everything else goes on in
 * two interrupts of this chip that are used for nothing else, as functions that end in `reti`. */
#define DUE_vect TWI_vect
#define OTHER_vect SPM_READY_vect
#define RESTORE "pop r18\n pop r25\n pop r24\n out __SREG__, r24\n pop r24\n"

ISR(DUE_vect) { settle_count(count_stamp); }

ISR(OTHER_vect) {
    uint8_t pins = PIND;
    uint16_t behind = lag;
    if (GPIOR0 & (1 << QUADRATURE) && !((pins >> 1 ^ pins) & (1 << PD2))) {
        if (behind == 0xffff)
            lost = true;
        else
            lag = behind + 1;
        GPIOR0 |= 1 << BEHIND;
        return;
    }
    if (behind) {
        lag = --behind;
        if (!behind)
            GPIOR0 &= ~(1 << BEHIND);
        return;
    }
    uint16_t count = count_low + 1;
    count_low = count;
    if (count == 0)
        count_high++;
    if (count != next_count)
        return;
    move(BY_COUNT);
    settle_count(TCNT1);
}

ISR(INT0_vect, ISR_NAKED) {
    __asm__ volatile(
        "push r24\n in r24, __SREG__\n push r24\n push r25\n push r18\n"
        "sbis %[flags], %[quadrature]\n rjmp 1f\n"
        "in r24, %[pins]\n mov r25, r24\n lsr r25\n eor r25, r24\n sbrs r25, %[a]\n rjmp 3f\n" /* A = B: backwards */
        "1: sbic %[flags], %[behind]\n rjmp 3f\n"
        "lds r24, %[count]\n lds r25, %[count]+1\n adiw r24, 1\n breq 3f\n" /* the high half takes longer */
        "sts %[count]+1, r25\n sts %[count], r24\n"
        "lds r18, %[next]\n cp r24, r18\n lds r18, %[next]+1\n cpc r25, r18\n brne 2f\n"
        "in r24, %[port]\n lds r18, %[moves]\n or r24, r18\n lds r18, %[moves]+1\n and r24, r18\n out %[port], r24\n"
        "lds r24, %[clock]\n lds r25, %[clock]+1\n sts %[stamp], r24\n sts %[stamp]+1, r25\n" RESTORE
        "jmp %x[due]\n"
        "2:" RESTORE "reti\n"
        "3:" RESTORE "jmp %x[other]\n" ::[flags] "I"(_SFR_IO_ADDR(GPIOR0)),
        [quadrature] "I"(QUADRATURE), [behind] "I"(BEHIND), [pins] "I"(_SFR_IO_ADDR(PIND)), [a] "I"(PD2),
        [count] "i"(&count_low), [next] "i"(&next_count), [port] "I"(_SFR_IO_ADDR(PORTC)), [moves] "i"(&moves[BY_COUNT]),
        [clock] "i"(&TCNT1), [stamp] "i"(&count_stamp), [due] "i"(DUE_vect), [other] "i"(OTHER_vect));
}

/* -- edges by the clock ----------------------------------------------------------------------------------------- */

/* Interrupts off: wait for the tick `at`, if it is still to come, and move the port. Only the encoder gets a word in:
 * one interrupt is served between `sei` and `cli`, and its is the first. */
static inline __attribute__((always_inline)) uint16_t move_by_clock(uint8_t at) {
    while ((int8_t)(at - TCNT1L) > SHUT)
        if (EIFR & EIMSK & (1 << INTF0))
            __asm__ volatile("sei\n nop\n cli" ::: "memory");
    while ((int8_t)(at - TCNT1L) > 2) /* the way from here to the pin takes two ticks */
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
        const struct edge *edge = next[BY_CLOCK];
        uint8_t length = left[BY_CLOCK];
        for (; length && edge->at == at; length--, edge++)
            ATOMIC_BLOCK(ATOMIC_RESTORESTATE) { made(edge, stamp); }
        next[BY_CLOCK] = edge;
        left[BY_CLOCK] = length;
        moves[BY_CLOCK] = move_of(edge, length);
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

/* False if an edge has come on meanwhile: the list was made without knowing. */
static bool take(enum domain domain, const struct edge_list *list) {
    struct move first = move_of(list->edges, list->length);
    bool taken = false;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        if (!fired) {
            taken = true;
            left[domain] = list->length;
            next[domain] = list->edges;
            if (domain == BY_COUNT)
                next_count = list->edges->at;
            moves[domain] = first;
        }
    }
    if (taken)
        active[domain] = list == &lists[domain][1];
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
                settle_count(TCNT1);
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
void hal_set_votes(uint8_t value) { votes = value; }

void edges_start(void) {
    DDRC = OUT_ALL;
    next[BY_COUNT] = lists[BY_COUNT][0].edges;
    next[BY_CLOCK] = lists[BY_CLOCK][0].edges;
    EICRA = 1 << ISC00; /* both edges of A */
    TCCR1A = 0;
    TCCR1B = 1 << ICNC1 | 1 << CS11;
    TIMSK1 = 1 << TOIE1 | 1 << ICIE1 | 1 << OCIE1A;
}
