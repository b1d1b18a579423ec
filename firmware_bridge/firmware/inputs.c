/* See inputs.h. */
#include "inputs.h"

#include "parts.h"

#define SLOW_TICKS (20 * TICKS_PER_MS) /* bin full, low air: contacts that bounce */
#define CONFIRM_TICKS (1 * TICKS_PER_MS)

bool inputs_eye_blocked;

static struct slow {
    bool raw, steady;
    uint16_t since; /* low half of the clock: more than the longest that is waited for */
} slow[3];

void inputs_reset(void) {
    inputs_eye_blocked = hal_eye_blocked();
    for (uint8_t i = 0; i < 3; i++)
        slow[i] = (struct slow){false, false, (uint16_t)clock_now};
}

static void poll_eye(void) {
    struct eye_edge edge;
    if (!hal_eye_edge(&edge))
        return;
    bool level = hal_eye_blocked();
    bool settled = clock_now - edge.last_clock >= config[KEY_DEBOUNCE_US] * TICKS_PER_US;
    if (!settled) {
        /* An eye that never settles is as blind as one that is covered. */
        if (configured && (int32_t)(place_now - (by_clock ? edge.clock : edge.count)) >=
                              (int32_t)belt_distance(KEY_EYE_STUCK_COUNT))
            parts_shut_down(FAULT_EYE_STUCK);
        return;
    }
    hal_eye_taken(&edge);
    if (level == inputs_eye_blocked) {
        counters.glitches++;
        return;
    }
    inputs_eye_blocked = level;
    parts_eye(level, by_clock ? edge.clock : edge.count, edge.clock);
}

static bool rises(struct slow *s, bool raw, uint16_t ticks) {
    if (raw != s->raw) {
        s->raw = raw;
        s->since = clock_now;
    }
    if (raw == s->steady || (uint16_t)((uint16_t)clock_now - s->since) < ticks)
        return false;
    s->steady = raw;
    return raw;
}

void inputs_poll(void) {
    poll_eye();
    uint8_t level = configured ? hal_inputs() & config[KEY_INPUTS] : 0;
    if (rises(&slow[0], level & INPUT_CONFIRM, CONFIRM_TICKS))
        parts_confirm();
    rises(&slow[1], level & INPUT_BIN_FULL, SLOW_TICKS);
    rises(&slow[2], level & INPUT_LOW_AIR, SLOW_TICKS);
    if (slow[1].steady)
        parts_shut_down(FAULT_BIN_FULL);
    if (slow[2].steady)
        parts_shut_down(FAULT_LOW_AIR);
}
