/* See parts.h. */
#include "parts.h"

#include "inputs.h"

#define STAND_TICKS (1000 * TICKS_PER_MS) /* a belt that has not moved for so long stands */
#define NEAR_GATE 0x40000 /* places: more than all distances behind the gate together */

struct part parts_rows[RING];
uint32_t parts_next, parts_open;
uint8_t parts_mode, parts_fault, parts_dirty;
uint32_t boot;

static bool blocked; /* something is in the eye: the newest part, or what lay there at power-up */
static uint32_t blocked_at;
static bool needs_purge;
static bool tested; /* an ejector was fired since the line last ran: it may still be on its way back */
static bool starting; /* the belt is to run as soon as the valve has opened */
static uint32_t start_at;
static bool leased;
static uint32_t lease_until;
static bool flushing; /* no encoder, and the belt may not have its speed yet */
static uint32_t flush_until;
static uint16_t reject_run, unknown_run;
static uint32_t last_bad; /* the last 32 decisions, newest in bit 0: 1 if judged bad */
static uint32_t trigger_next, confirm_next; /* first part that is not triggered, that may still be confirmed */

void parts_reset(void) {
    parts_next = parts_open = trigger_next = confirm_next = 1;
    parts_mode = MODE_BOOT;
    parts_fault = FAULT_NONE;
    parts_dirty = 0;
    blocked = leased = flushing = starting = tested = false;
    needs_purge = true;
    reject_run = unknown_run = 0;
    last_bad = 0;
    for (uint8_t i = 0; i < RING; i++)
        parts_rows[i] = (struct part){0};
}

/* A function, since the address takes long to work out and is wanted everywhere: 500 bytes of code. */
__attribute__((noinline)) struct part *parts_row(uint8_t number) { return &parts_rows[number % RING]; }

bool parts_has(uint32_t number) {
    return number && number < parts_next && parts_next - number <= RING;
}

void parts_tell(struct part *part) {
    if (!(part->flags & PART_DIRTY))
        parts_dirty++;
    part->flags |= PART_DIRTY;
}

static bool blows(void) { return !config[KEY_ENERGISED_PASSES]; }

static void hold(struct part *part, uint8_t why) {
    if (part->phase == PHASE_DECIDED || part->held != WHY_OPEN)
        return;
    part->held = why;
}

static void hold_all(uint8_t why) {
    for (uint32_t number = parts_open; number < parts_next; number++)
        hold(ROW(number), why);
}

void parts_shut_down(uint8_t fault) {
    if (parts_mode == MODE_SHUT_DOWN)
        return;
    parts_mode = MODE_SHUT_DOWN;
    parts_fault = fault;
    starting = false;
    hold_all(WHY_SHUT_DOWN);
    outputs_line_run(false);
    /* A diverter falls shut. A blow-off valve goes on rejecting while the belt runs out, unless it is the culprit. */
    if (!blows() || fault == FAULT_OUTPUT_STUCK)
        outputs_drop();
}

void parts_configured(void) {
    if (parts_mode == MODE_BOOT)
        parts_mode = MODE_READY;
    /* The parts on the belt were measured with another configuration, perhaps in another unit. */
    for (; parts_open < parts_next; parts_open++) {
        struct part *part = ROW(parts_open);
        part->phase = PHASE_DECIDED;
        part->why = WHY_PURGED;
        part->decided = place_now;
        parts_tell(part);
    }
    trigger_next = confirm_next = parts_next;
    outputs_camera(0, 0);
    blocked = inputs_eye_blocked;
    blocked_at = place_now;
    needs_purge = true;
    outputs_drop();
}

/* -- the eye ---------------------------------------------------------------------------------------------------- */

static uint8_t first_hold(struct part *before, uint32_t place) {
    if (parts_mode == MODE_SHUT_DOWN)
        return WHY_SHUT_DOWN;
    if (flushing)
        return WHY_PURGED;
    if (before == 0 || !(before->flags & PART_ENDED))
        return WHY_OPEN;
    uint32_t end = before->seen + belt_places(before->length);
    if ((int32_t)(place - end) >= (int32_t)belt_distance(KEY_MIN_SPACING_COUNT))
        return WHY_OPEN;
    hold(before, WHY_TOO_CLOSE);
    return WHY_TOO_CLOSE;
}

static void decide(struct part *part, uint32_t number);

static void see(uint32_t place, uint32_t clock) {
    struct part *part = ROW(parts_next);
    uint8_t held = WHY_NOT_CONFIGURED;
    if (configured) {
        bool full = parts_next > RING && part->phase != PHASE_DECIDED;
        struct part *before = parts_has(parts_next - 1) ? ROW(parts_next - 1) : 0;
        /* Parts come and the belt is said to stand: nothing would ever reach the gate. */
        if (before && place == before->seen && !by_clock && parts_mode == MODE_RUN)
            parts_shut_down(FAULT_ENCODER_LOST);
        held = full ? WHY_QUEUE_FULL : first_hold(before, place);
        if (full) {
            /* The oldest row is needed for this part: it is decided long before its time, and the line must stop. */
            parts_shut_down(FAULT_QUEUE_FULL);
            decide(part, parts_open);
        }
    }
    uint8_t dirty = part->flags & PART_DIRTY;
    *part = (struct part){.seen = place, .seen_clock = clock, .phase = PHASE_SEEN, .held = held, .flags = dirty};
    parts_next++;
    if (!configured) {
        part->why = WHY_NOT_CONFIGURED;
        part->phase = PHASE_DECIDED;
        parts_open = trigger_next = confirm_next = parts_next;
    }
    if (parts_next - parts_open > counters.most_in_flight)
        counters.most_in_flight = parts_next - parts_open;
    parts_tell(part);
}

static void clear(struct part *part, uint32_t place) {
    uint32_t length = (place - part->seen) >> (by_clock ? 7 : 0);
    part->length = length > 0xffff ? 0xffff : length;
    part->flags |= PART_ENDED;
    if (configured && part->length > config[KEY_PART_MAX_COUNT])
        hold(part, WHY_TOO_LONG);
}

void parts_eye(bool now_blocked, uint32_t place, uint32_t clock) {
    blocked = now_blocked;
    blocked_at = place;
    if (blocked)
        see(place, clock);
    else if (parts_has(parts_next - 1))
        clear(ROW(parts_next - 1), place);
}

/* -- what the station says -------------------------------------------------------------------------------------- */

void parts_judge(uint32_t of_boot, uint32_t number, uint8_t verdict, uint8_t eject) {
    if (of_boot != boot) {
        counters.stale++;
        return;
    }
    if (!parts_has(number) || verdict < VERDICT_PASS || verdict > VERDICT_NOT_INSPECTED) {
        counters.unknown_part++;
        return;
    }
    struct part *part = ROW(number);
    parts_tell(part);
    if (part->verdict == verdict) {
        counters.repeated++;
    } else if (part->phase == PHASE_DECIDED) {
        counters.late++;
    } else if (part->verdict == VERDICT_NONE) {
        part->verdict = verdict;
        part->eject = eject <= 3 ? eject : 0;
    } else {
        part->held = WHY_CONTRADICTION;
        counters.contradictions++;
    }
}

void parts_lease(uint16_t ms) {
    leased = true;
    lease_until = clock_now + ms * TICKS_PER_MS;
}

bool parts_leased(void) { return leased; }

static void run(void) {
    if (parts_mode != MODE_READY)
        return;
    parts_mode = MODE_RUN;
    moved_clock = clock_now;
    if (tested)
        outputs_drop();
    /* What lay between eye and gate at power-up, or after a stop without an encoder, is unknown: out with it first. */
    bool purge = needs_purge && blows();
    /* The clock goes on while the belt waits for the gate. */
    flush_until = place_now + belt_distance(KEY_GATE_COUNT) + (by_clock ? belt_lead : 0);
    if (purge)
        outputs_purge(flush_until + (blocked ? belt_distance(KEY_PART_MAX_COUNT) : 0));
    if (purge || by_clock)
        hold_all(WHY_PURGED);
    needs_purge = false;
    flushing = by_clock;
    starting = true;
    /* And one, since the gate begins to move in the next turn only. */
    start_at = clock_now + (outputs_purging() || tested ? (config[KEY_LEAD_MS] + 1) * TICKS_PER_MS : 0);
    tested = false;
}

static void stop(void) {
    if (parts_mode != MODE_RUN)
        return;
    parts_mode = MODE_READY;
    moved_clock = clock_now;
    starting = false;
    outputs_line_run(false);
    if (by_clock) {
        /* The clock goes on while the belt stands: no place is known any more. */
        hold_all(WHY_PURGED);
        needs_purge = true;
    }
}

static void reset(void) {
    if (parts_mode != MODE_SHUT_DOWN)
        return;
    /* A configuration that has lost a bit is none. */
    configured = configured && parts_fault != FAULT_CONFIG_CRC;
    parts_mode = configured ? MODE_READY : MODE_BOOT;
    parts_fault = FAULT_NONE;
    reject_run = unknown_run = 0;
    last_bad = 0;
    needs_purge = true;
}

void parts_order(uint8_t order) {
    if (order == ORDER_RUN)
        run();
    else if (order == ORDER_STOP)
        stop();
    else if (order == ORDER_RESET)
        reset();
}

static uint32_t length_of(const struct part *part) {
    return belt_places(part->flags & PART_ENDED ? part->length : config[KEY_PART_MAX_COUNT]);
}

static uint32_t confirm_end(const struct part *part) {
    return part->seen + belt_distance(KEY_GATE_COUNT) + length_of(part) + belt_distance(KEY_CONFIRM_WINDOW_COUNT);
}

/* A pulse that no part asked for does no harm while the line stands, nothing on it is near the gate, and it cannot be
 * started. Without an encoder the parts that were on the belt are taken to be on it until they would have passed. */
static bool harmless(void) {
    if (parts_mode != MODE_READY || (by_clock && parts_open != parts_next))
        return false;
    return clock_now - moved_clock >= STAND_TICKS;
}

uint8_t parts_fire(uint8_t output, uint16_t ms) {
    if (parts_mode != MODE_READY)
        return ANSWER_NOT_READY;
    if (!harmless())
        return ANSWER_NOT_AT_REST;
    if (parts_has(parts_open - 1) && confirm_end(ROW(parts_open - 1)) - place_now - 1 < NEAR_GATE)
        return ANSWER_BUSY;
    uint8_t answer = outputs_fire(output, ms);
    if (answer == ANSWER_FIRED) {
        /* It may have moved a part that lies there. */
        hold_all(WHY_PURGED);
        tested = true;
    }
    return answer;
}

/* -- time ------------------------------------------------------------------------------------------------------- */

static uint32_t window_start(const struct part *part) {
    return part->seen + belt_distance(KEY_GATE_COUNT) - belt_lead;
}

bool parts_next_start(uint32_t *start) {
    if (parts_open == parts_next)
        return false;
    *start = window_start(ROW(parts_open));
    return true;
}

static uint8_t judgement(const struct part *part, uint32_t number, uint32_t start) {
    if (parts_mode == MODE_SHUT_DOWN)
        return part->held == WHY_QUEUE_FULL ? WHY_QUEUE_FULL : WHY_SHUT_DOWN;
    if (blocked && number == parts_next - 1)
        return WHY_TOO_LONG;
    if (part->held != WHY_OPEN)
        return part->held;
    if (!leased)
        return WHY_LEASE_EXPIRED;
    if (part->verdict == VERDICT_PASS)
        return outputs_window_near(start, number) ? WHY_TOO_CLOSE : WHY_EARNED;
    if (part->verdict == VERDICT_REJECT)
        return WHY_JUDGED_BAD;
    return part->verdict == VERDICT_NOT_INSPECTED ? WHY_NOT_INSPECTED : WHY_NO_VERDICT;
}

static uint8_t bits(uint32_t word) {
    uint8_t n = 0;
    for (; word; word &= word - 1)
        n++;
    return n;
}

static void count_runs(uint8_t why) {
    bool bad = why == WHY_JUDGED_BAD, unknown = !bad && why != WHY_EARNED;
    reject_run = bad ? reject_run + 1 : 0;
    unknown_run = unknown ? unknown_run + 1 : 0;
    last_bad = last_bad << 1 | bad;
    uint8_t last = config[KEY_LAST_PARTS];
    uint32_t window = last >= 32 ? last_bad : last_bad & ((1UL << last) - 1);
    if (config[KEY_CONSECUTIVE_REJECTS_STOP] && reject_run >= config[KEY_CONSECUTIVE_REJECTS_STOP])
        parts_shut_down(FAULT_CONSECUTIVE_REJECTS);
    if (config[KEY_CONSECUTIVE_UNKNOWN_STOP] && unknown_run >= config[KEY_CONSECUTIVE_UNKNOWN_STOP])
        parts_shut_down(FAULT_CONSECUTIVE_UNKNOWN);
    if (config[KEY_REJECTS_OF_LAST_STOP] && bits(window) >= config[KEY_REJECTS_OF_LAST_STOP])
        parts_shut_down(FAULT_REJECTS_OF_LAST);
}

static void decide(struct part *part, uint32_t number) {
    uint32_t start = window_start(part);
    uint8_t why = judgement(part, number, start);
    bool moves = (why == WHY_EARNED) == !blows();
    if (moves) {
        /* A valve blows until the part is past even if the belt has slowed down; a diverter shuts as early as it
         * opened, so that the next part finds it shut. */
        uint32_t until = (blows() ? part->seen + belt_distance(KEY_GATE_COUNT) : start) + length_of(part);
        if (!outputs_window(start, until, number))
            why = WHY_QUEUE_FULL;
    }
    part->why = why;
    part->phase = PHASE_DECIDED;
    part->decided = place_now;
    if (why != WHY_EARNED && why != WHY_PURGED && !part->confirmed && config[KEY_INPUTS] & INPUT_CONFIRM)
        part->flags |= PART_AWAITED;
    parts_open++;
    parts_tell(part);
    count_runs(why);
}

static void decide_due(void) {
    while (parts_open < parts_next) {
        struct part *part = ROW(parts_open);
        if (!reached(place_now, window_start(part) - belt_distance(KEY_GUARD_COUNT)))
            return;
        decide(part, parts_open);
    }
}

static void trigger_due(void) {
    uint32_t clock;
    uint8_t fired = outputs_camera_fired(&clock);
    if (fired && parts_rows[fired - 1].phase == PHASE_SEEN) {
        struct part *part = &parts_rows[fired - 1];
        part->trigger_clock = clock;
        part->phase = PHASE_TRIGGERED;
        parts_tell(part);
    }
    while (trigger_next < parts_next && ROW(trigger_next)->phase != PHASE_SEEN)
        trigger_next++;
    if (trigger_next < parts_next)
        outputs_camera(trigger_next % RING + 1, ROW(trigger_next)->seen + belt_distance(KEY_CAMERA_COUNT));
    else
        outputs_camera(0, 0);
}

static void sort_due(void) {
    for (uint32_t number = parts_open; number < parts_next; number++) {
        struct part *part = ROW(number);
        uint8_t ejector = part->eject;
        if (!ejector || parts_mode == MODE_SHUT_DOWN)
            continue;
        uint8_t key = KEY_EJECT_1_COUNT + 5 * (ejector - 1);
        uint32_t start = part->seen + belt_distance(key) - belt_per_ms(config[key + 2]);
        if (config[key] == 0 || reached(place_now, start)) {
            part->eject = 0; /* not there, or named too late */
        } else if (reached(place_now, start - belt_distance(KEY_GUARD_COUNT))) {
            part->eject = 0;
            if (part->held == WHY_OPEN && leased && outputs_sort(ejector, start))
                part->confirmed = CONFIRMED_SORTED;
        }
    }
}

/* -- the confirmation sensor ------------------------------------------------------------------------------------ */

static bool awaited(uint32_t number) { return parts_has(number) && ROW(number)->flags & PART_AWAITED; }

void parts_confirm(void) {
    struct part *part = ROW(confirm_next);
    if (!awaited(confirm_next) || !reached(place_now, window_start(part))) {
        counters.unexpected++;
        return;
    }
    part->flags &= ~PART_AWAITED;
    part->confirmed = CONFIRMED_SEEN;
    parts_tell(part);
}

static void confirm_due(void) {
    while (confirm_next < parts_open) {
        if (awaited(confirm_next)) {
            struct part *part = ROW(confirm_next);
            if (!reached(place_now, confirm_end(part)))
                return;
            part->flags &= ~PART_AWAITED;
            part->confirmed = CONFIRMED_MISSED;
            parts_tell(part);
            parts_shut_down(FAULT_NOT_CONFIRMED);
        }
        confirm_next++;
    }
}

void parts_gate_cut(void) {
    if (!blows())
        return;
    /* Something that was to be blown away may still lie there. */
    hold_all(WHY_PURGED);
    needs_purge = true;
    if (parts_mode == MODE_RUN)
        parts_shut_down(FAULT_OUTPUT_STUCK);
}

void parts_poll(void) {
    if (leased && reached(clock_now, lease_until + 1))
        leased = false;
    if (!configured)
        return;
    if (hal_encoder_lost())
        parts_shut_down(FAULT_ENCODER_LOST);
    if (flushing && reached(place_now, flush_until))
        flushing = false;
    if (blocked && reached(place_now, blocked_at + belt_distance(KEY_EYE_STUCK_COUNT))) {
        blocked_at = place_now - belt_distance(KEY_EYE_STUCK_COUNT); /* or it would look young when the place wraps */
        parts_shut_down(FAULT_EYE_STUCK);
    }
    if (starting && reached(clock_now, start_at)) {
        starting = false;
        outputs_line_run(true);
    }
    if (outputs_test_ms && !harmless())
        outputs_drop();
    sort_due();
    trigger_due();
    decide_due();
    confirm_due();
}
