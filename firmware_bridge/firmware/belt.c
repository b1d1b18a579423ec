/* See belt.h. */
#include "belt.h"

#define CLOCK_SHIFT 7
#define WINDOW_TICKS (20 * TICKS_PER_MS)
#define SLOW_TICKS (200 * TICKS_PER_MS)
#define WINDOW_COUNTS 32
#define LONG_TICKS 0x7fffffffUL

uint16_t config[KEYS];
bool configured;
struct counters counters;
uint32_t clock_now, place_now, moved_clock;
bool by_clock;

static uint32_t window_clock, window_place;
static uint16_t clock_turns; /* how often the clock has wrapped */
struct speed {
    uint16_t counts, ticks16; /* so many counts in so many 16-tick steps */
};
static struct speed speed, top;
uint32_t belt_lead, belt_min_off, belt_min_on;

uint32_t belt_per_ms(uint16_t ms) {
    if (by_clock)
        return ms * TICKS_PER_MS;
    /* 125 steps of 16 ticks are a millisecond; counts fit 13 bits, so that the product of 1000 ms stays within 32. */
    const struct speed *s = config[KEY_ENERGISED_PASSES] ? &speed : &top;
    return ms * 125UL * s->counts / s->ticks16;
}

/* Divisions are dear: once for each measurement, not in each turn. */
static void translate(void) {
    belt_lead = belt_per_ms(config[KEY_LEAD_MS]);
    /* Never below one millisecond: two edges of one output must not meet in one turn of the main loop. */
    belt_min_off = belt_per_ms(config[KEY_MIN_OFF_MS] ? config[KEY_MIN_OFF_MS] : 1);
    belt_min_on = belt_per_ms(config[KEY_MIN_ON_MS]);
}

void belt_reset(void) {
    configured = by_clock = false;
    counters = (struct counters){0};
    clock_turns = 0;
    window_clock = moved_clock = clock_now = hal_clock();
    window_place = place_now = hal_count();
    speed.counts = top.counts = 0;
    speed.ticks16 = top.ticks16 = 1;
}

void belt_configure(void) {
    by_clock = config[KEY_ENCODER] == ENCODER_CLOCK;
    hal_encoder(config[KEY_ENCODER]);
    place_now = window_place = by_clock ? clock_now : hal_count();
    window_clock = clock_now;
    speed.counts = top.counts = 0;
    speed.ticks16 = top.ticks16 = 1;
    translate();
    configured = true;
}

static void measure(void) {
    uint32_t ticks = clock_now - window_clock, counts = place_now - window_place;
    bool full = ticks >= WINDOW_TICKS && counts >= WINDOW_COUNTS;
    if (!full && ticks < SLOW_TICKS)
        return;
    window_clock = clock_now;
    window_place = place_now;
    /* A turn of the main loop that came too late measures nothing that could be trusted. */
    if (ticks >= 2 * SLOW_TICKS || counts > 0x1fff)
        return;
    speed.counts = counts;
    speed.ticks16 = ticks >> 4;
    if ((uint32_t)speed.counts * top.ticks16 > (uint32_t)top.counts * speed.ticks16)
        top = speed;
    translate();
}

void belt_poll(void) {
    uint32_t clock = hal_clock();
    if (clock < clock_now)
        clock_turns++;
    clock_now = clock;
    uint32_t place = by_clock ? clock : hal_count();
    if (by_clock ? hal_outputs() & OUT_LINE_RUN : place != place_now)
        moved_clock = clock;
    else if (clock - moved_clock > LONG_TICKS)
        moved_clock = clock - LONG_TICKS; /* or it would look recent when the clock wraps */
    place_now = place;
    if (!by_clock)
        measure();
}

uint32_t belt_places(uint16_t counts) { return by_clock ? (uint32_t)counts << CLOCK_SHIFT : counts; }

uint32_t belt_distance(uint8_t key) { return belt_places(config[key]); }

uint32_t belt_wire_count(uint32_t place) {
    if (!by_clock)
        return place;
    uint32_t now = (clock_now >> CLOCK_SHIFT) | (uint32_t)clock_turns << (32 - CLOCK_SHIFT);
    return now - ((clock_now - place) >> CLOCK_SHIFT);
}

/* The stamp may be younger than this turn's clock: an interrupt can have made it since. */
uint32_t belt_expand(uint16_t clock) { return clock_now + (int16_t)(clock - (uint16_t)clock_now); }
