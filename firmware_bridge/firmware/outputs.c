/* See outputs.h. */
#include "outputs.h"

#define HORIZON 0x4000 /* edges further away than this are not loaded yet: their `at` has 16 bits */

struct window {
    uint32_t start, until;
};

struct sorter {
    bool armed, on, rested;
    uint32_t start;  /* place */
    uint32_t since;  /* clock at which it went on, or off */
};

bool outputs_gate;
uint16_t outputs_test_ms;

static struct window windows[WINDOWS];
static uint8_t queued;
static uint32_t gate_since;
static bool had_window; /* `last_until` and `last_number` mean something */
static uint32_t last_until;
static uint8_t last_number;
static bool purging;
static uint32_t purge_until;
static struct sorter sorters[3];
static uint8_t camera_row, camera_loaded, camera_fired; /* wanted; whose edge the machine has; whose has come */
static uint32_t camera_at, camera_clock;
static uint8_t stuck;

void outputs_reset(void) {
    queued = outputs_test_ms = 0;
    outputs_gate = had_window = purging = false;
    camera_row = camera_loaded = camera_fired = 0;
    stuck = 0;
    for (uint8_t i = 0; i < 3; i++)
        sorters[i] = (struct sorter){.since = clock_now};
    hal_drive(0, OUT_ALL);
    hal_set_votes(0);
    hal_take_fired();
}

static bool blows(void) { return !config[KEY_ENERGISED_PASSES]; }

/* -- what parts asks for ---------------------------------------------------------------------------------------- */

bool outputs_window_near(uint32_t start, uint32_t number) {
    if (!had_window || (int32_t)(start - last_until) >= (int32_t)belt_min_off)
        return false;
    /* A diverter may stay open between two parts that both have earned it and follow each other. */
    return blows() || !queued || last_number != (uint8_t)(number - 1);
}

bool outputs_window(uint32_t start, uint32_t until, uint32_t number) {
    if (blows()) {
        /* The pulse may outlast the part: whoever comes within it is too close. */
        uint32_t shortest = start + belt_min_on;
        if (reached(shortest, until))
            until = shortest;
    }
    if (queued == WINDOWS) {
        if (!blows())
            return false;
        windows[WINDOWS - 1].until = until;
    } else {
        struct window *w = &windows[queued++];
        w->start = start;
        w->until = until;
    }
    had_window = true;
    last_until = until;
    last_number = number;
    return true;
}

void outputs_purge(uint32_t until) {
    purging = true;
    purge_until = until;
}

bool outputs_purging(void) { return purging; }

void outputs_camera(uint8_t row, uint32_t at) {
    camera_row = row;
    camera_at = at;
}

uint8_t outputs_camera_fired(uint32_t *clock) {
    uint8_t row = camera_fired;
    camera_fired = 0;
    *clock = camera_clock;
    return row;
}

bool outputs_sort(uint8_t ejector, uint32_t start) {
    struct sorter *s = &sorters[ejector - 1];
    if (s->armed || s->on) {
        counters.limited++;
        return false;
    }
    s->armed = true;
    s->start = start;
    return true;
}

static void gate_on(uint32_t since) {
    outputs_gate = true;
    gate_since = since;
    hal_set_votes(0);
}

uint8_t outputs_fire(uint8_t output, uint16_t ms) {
    struct sorter *s = &sorters[output - 1];
    if (!ms || output > 3 || (output && !config[KEY_EJECT_1_COUNT + 5 * (output - 1)]))
        return ANSWER_NO_OUTPUT;
    if (queued || purging || hal_outputs() & OUT_EJECTORS || (output && (s->armed || !s->rested)))
        return ANSWER_BUSY;
    outputs_test_ms = ms;
    hal_drive(1 << output, 0);
    uint32_t since = hal_clock();
    if (output) {
        s->on = true;
        s->since = since;
    } else {
        gate_on(since);
    }
    return ANSWER_FIRED;
}

void outputs_line_run(bool run) {
    hal_drive(run ? OUT_LINE_RUN : 0, run ? 0 : OUT_LINE_RUN);
}

/* -- what the machine has done since we last looked ------------------------------------------------------------- */

static void pop_window(void) {
    queued--;
    for (uint8_t i = 0; i < queued; i++)
        windows[i] = windows[i + 1];
}

static void gate_off(void) {
    outputs_gate = false;
    moved_clock = clock_now;
    bool whole = queued == 0 || reached(place_now, windows[0].until);
    if (queued)
        pop_window();
    if (!whole) {
        counters.limited++;
        parts_gate_cut();
    }
}

static void notice_gate(uint8_t fired, uint8_t level) {
    if (fired & OUT_GATE) {
        if (queued)
            gate_on(belt_expand(hal_stamp(0)));
        else
            hal_drive(0, OUT_GATE); /* its window was dropped in the very moment it began */
    }
    if (outputs_gate && !(level & OUT_GATE))
        gate_off();
}

static void notice_sorters(uint8_t fired, uint8_t level) {
    for (uint8_t i = 0; i < 3; i++) {
        struct sorter *s = &sorters[i];
        uint8_t bit = 2 << i;
        if (fired & bit) {
            s->on = true;
            s->armed = false;
            s->since = belt_expand(hal_stamp(i + 1));
        }
        if (s->on && !(level & bit)) {
            s->on = false;
            s->rested = false;
            s->since = clock_now;
        }
        if (s->armed && !s->rested && reached(place_now, s->start)) {
            s->armed = false;
            counters.limited++;
        }
        if (!s->on && clock_now - s->since >= config[KEY_EJECT_1_MIN_OFF_MS + 5 * i] * TICKS_PER_MS)
            s->rested = true;
    }
}

static void notice(void) {
    /* In this order: an output that comes on in between is seen next time, and one that went off by count did so at a
     * place that the belt has reached. */
    uint8_t fired = hal_take_fired(), level = hal_outputs();
    belt_poll();
    notice_gate(fired, level);
    notice_sorters(fired, level);
    if (fired & OUT_CAMERA) {
        camera_fired = camera_loaded;
        if (camera_row == camera_loaded)
            camera_row = 0;
        camera_clock = belt_expand(hal_stamp(SLOT_CAMERA));
    }
}

/* -- which edges come next -------------------------------------------------------------------------------------- */

static struct edge_list *list_of[2];

static void add(enum domain domain, uint32_t at, uint8_t slot, bool on, uint8_t vote) {
    uint32_t now = domain == BY_CLOCK ? clock_now : place_now;
    struct edge_list *list = list_of[domain];
    int32_t ahead = at - now;
    if (ahead >= HORIZON || list->length == EDGES) /* there are never more than seven */
        return;
    if (ahead < -HORIZON)
        at = now;
    uint8_t i = list->length++;
    for (; i && (int16_t)((uint16_t)at - list->edges[i - 1].at) < 0; i--)
        list->edges[i] = list->edges[i - 1];
    struct edge *edge = &list->edges[i];
    edge->at = at;
    edge->set = on ? 1 << slot : 0;
    edge->clear = on ? 0 : 1 << slot;
    edge->vote = vote;
    edge->slot = slot;
}

static enum domain by_place(void) { return by_clock ? BY_CLOCK : BY_COUNT; }

/* The open window lasts until `until` at least. */
static void stretch(uint32_t until) {
    if (reached(windows[0].until, until))
        return;
    windows[0].until = until;
    hal_set_votes(hal_votes() & ~1);
}

static void merge_windows(void) {
    uint32_t start, gap = belt_min_off;
    while (queued > 1 && (int32_t)(windows[1].start - windows[0].until) < (int32_t)gap) {
        struct window next = windows[1];
        stretch(next.until);
        next.until = windows[0].until;
        pop_window();
        windows[0] = next;
    }
    /* The next part may not be decided yet: the valve may not close for less than its shortest rest. */
    if (blows() && parts_next_start(&start) && (int32_t)(start - windows[0].until) < (int32_t)gap)
        stretch(start);
}

static void plan_window(void) {
    merge_windows();
    uint8_t votes = hal_votes();
    uint8_t vote = blows() ? 1 : 0;
    if (!(votes & 1))
        add(by_place(), windows[0].until, 0, false, vote);
    if (vote && !(votes & 2))
        add(BY_CLOCK, gate_since + config[KEY_MIN_ON_MS] * TICKS_PER_MS, 0, false, 2);
}

static void plan_gate(void) {
    if (!outputs_gate) {
        if (queued)
            add(by_place(), windows[0].start, 0, true, 0);
        return;
    }
    if (queued)
        plan_window();
    else
        add(BY_CLOCK, gate_since + outputs_test_ms * TICKS_PER_MS, 0, false, 0);
    add(BY_CLOCK, gate_since + config[KEY_MAX_ON_MS] * TICKS_PER_MS, 0, false, 0);
}

static void plan_sorters(void) {
    for (uint8_t i = 0; i < 3; i++) {
        const struct sorter *s = &sorters[i];
        const uint16_t *keys = &config[KEY_EJECT_1_COUNT + 5 * i];
        uint16_t on_ms = outputs_test_ms ? outputs_test_ms : keys[1];
        if (on_ms > keys[3])
            on_ms = keys[3];
        if (s->on)
            add(BY_CLOCK, s->since + on_ms * TICKS_PER_MS, i + 1, false, 0);
        else if (s->armed && s->rested)
            add(by_place(), s->start, i + 1, true, 0);
    }
}

static bool same(const struct edge *a, const struct edge *b) {
    return a->at == b->at && a->set == b->set && a->clear == b->clear && a->vote == b->vote;
}

static bool load(enum domain domain) {
    uint8_t fired;
    const struct edge_list *loaded = hal_loaded(domain, &fired), *list = list_of[domain];
    uint8_t left = loaded->length - fired;
    bool changed = left != list->length;
    for (uint8_t i = 0; i < left && !changed; i++)
        changed = !same(&loaded->edges[fired + i], &list->edges[i]);
    return !changed || hal_load(domain, list);
}

static void plan(void) {
    for (uint8_t domain = BY_COUNT; domain <= BY_CLOCK; domain++) {
        list_of[domain] = hal_spare(domain);
        list_of[domain]->length = 0;
    }
    if (!purging)
        plan_gate();
    plan_sorters();
    if (camera_row)
        add(by_place(), camera_at, SLOT_CAMERA, true, 0);
    bool loaded = load(by_place());
    load(by_clock ? BY_COUNT : BY_CLOCK);
    if (loaded)
        camera_loaded = camera_row;
}

void outputs_drop(void) {
    notice();
    queued = outputs_test_ms = 0;
    purging = had_window = outputs_gate = false;
    moved_clock = clock_now;
    for (uint8_t i = 0; i < 3; i++)
        sorters[i] = (struct sorter){.since = clock_now};
    /* First the edges that were to come, then the outputs: the other way round one could come on again in between. */
    plan();
    hal_drive(0, OUT_EJECTORS);
}

static void purge(void) {
    while (queued && reached(place_now, windows[0].until))
        pop_window();
    if (reached(place_now, purge_until)) {
        purging = false;
        gate_on(clock_now);
        if (!queued || !reached(place_now, windows[0].start)) {
            hal_drive(0, OUT_GATE);
            outputs_gate = false;
        }
        return;
    }
    /* While the belt stands there is nothing to blow away, and no valve is made to stay on for ever. */
    bool moves = clock_now - moved_clock < config[KEY_MAX_ON_MS] * TICKS_PER_MS;
    if (moves != outputs_gate)
        hal_drive(moves ? OUT_GATE : 0, moves ? 0 : OUT_GATE);
    outputs_gate = moves;
}

static void watch_pins(void) {
    /* Three turns of the main loop: a single look can fall into the very cycle in which a pin moves. */
    stuck = hal_outputs_stuck() ? stuck + 1 : 0;
    if (stuck == 3)
        parts_shut_down(FAULT_OUTPUT_STUCK);
    if (stuck > 3)
        stuck = 3;
}

void outputs_poll(void) {
    notice();
    watch_pins();
    if (had_window && reached(place_now, last_until + belt_min_off))
        had_window = false; /* long ago; it must not look near when the place has wrapped */
    if (purging)
        purge();
    plan();
}
