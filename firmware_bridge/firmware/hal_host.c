/* The machine of the host tests: virtual time, an encoder, an eye, a serial line, and a log of every output edge.
 *
 * It does what the microcontroller's interrupts do, at the exact tick; the main loop turns every `turn` ticks. Driven
 * through ctypes by tests/firmware. Not part of the firmware. */
#include <string.h>

#include "comms.h"
#include "framing.h"
#include "hal.h"
#include "parts.h"

#define BYTE_TICKS (20 * TICKS_PER_US) /* 500 kbaud */
#define LINE 8192
#define LOG 65536
#define PARTS 128

struct host_event {
    uint64_t tick;
    uint8_t outputs;
};

static uint64_t now, next_turn, next_count, next_byte, sent_until;
static uint32_t clock_offset, count, turn, period, lag;
static bool backwards, lost;
static uint8_t encoder_kind, outputs, stuck_mask, fired, votes, inputs, race;
static bool eye, eye_pending;
static struct eye_edge eye_edge;
static uint16_t stamps[SLOTS], strobe_ticks;
static uint64_t strobe_end;
static struct edge_list lists[2][2];
static uint8_t active[2], head[2];
static uint8_t in[LINE], out[LINE];
static uint32_t in_head, in_tail, out_length;
static struct host_event events[LOG];
static uint32_t event_count;
/* A belt that the line-run output moves, and where on it the eye changes. */
static uint32_t belt_period, travelled, changes[2 * PARTS];
static uint8_t change, change_count;

static void drive(uint8_t level) {
    if (level == outputs)
        return;
    if (belt_period && (outputs ^ level) & OUT_LINE_RUN) {
        period = level & OUT_LINE_RUN ? belt_period : 0;
        next_count = now + period;
        backwards = false;
    }
    outputs = level;
    if (event_count < LOG)
        events[event_count++] = (struct host_event){now, level};
}

uint32_t hal_clock(void) { return (uint32_t)now + clock_offset; }
uint32_t hal_count(void) { return count; }
bool hal_encoder_lost(void) { return lost; }
void hal_encoder(uint8_t kind) { encoder_kind = kind; }
bool hal_eye_blocked(void) { return eye; }
uint8_t hal_inputs(void) { return inputs; }
uint8_t hal_outputs(void) { return outputs; }
bool hal_outputs_stuck(void) { return stuck_mask; }
uint16_t hal_stamp(uint8_t slot) { return stamps[slot]; }
uint8_t hal_votes(void) { return votes; }
void hal_set_votes(uint8_t value) { votes = value; }
void hal_strobe(uint16_t ticks) { strobe_ticks = ticks; }
uint16_t hal_overruns(void) { return 0; }
bool hal_sending(void) { return now < sent_until; }

bool hal_eye_edge(struct eye_edge *edge) {
    *edge = eye_edge;
    return eye_pending;
}

void hal_eye_taken(const struct eye_edge *edge) {
    if (edge->bounces == eye_edge.bounces)
        eye_pending = false;
}

void hal_drive(uint8_t set, uint8_t clear) { drive((outputs | set) & ~clear); }

uint8_t hal_take_fired(void) {
    uint8_t taken = fired;
    fired = 0;
    return taken;
}

const struct edge_list *hal_loaded(enum domain domain, uint8_t *done) {
    *done = head[domain];
    return &lists[domain][active[domain]];
}

/* The main loop is about to make the next list: the moment at which an edge may still come in between. */
struct edge_list *hal_spare(enum domain domain) {
    fired |= race;
    drive(outputs | race);
    race = 0;
    return &lists[domain][!active[domain]];
}

static void apply(const struct edge *edge) {
    if (edge->vote) {
        votes |= edge->vote;
        if (votes != 3)
            return;
    }
    drive((outputs | edge->set) & ~edge->clear);
    stamps[edge->slot] = hal_clock();
    fired |= edge->set;
    if (edge->set & OUT_CAMERA)
        strobe_end = now + strobe_ticks;
}

static void serve(enum domain domain) {
    uint16_t at = domain == BY_COUNT ? count : hal_clock();
    const struct edge_list *list = &lists[domain][active[domain]];
    while (head[domain] < list->length && (int16_t)(at - list->edges[head[domain]].at) >= 0)
        apply(&list->edges[head[domain]++]);
}

bool hal_load(enum domain domain, const struct edge_list *list) {
    if (fired)
        return false;
    active[domain] = list == &lists[domain][1];
    head[domain] = 0;
    serve(domain);
    return true;
}

bool hal_receive(uint8_t *byte) {
    if (in_head == in_tail || now < next_byte)
        return false;
    *byte = in[in_tail++ % LINE];
    next_byte = next_byte + BYTE_TICKS;
    return true;
}

void hal_send(const uint8_t *bytes, uint8_t length) {
    for (uint8_t i = 0; i < length && out_length < LINE; i++)
        out[out_length++] = bytes[i];
    sent_until = now + length * BYTE_TICKS;
}

/* -- what the tests call ---------------------------------------------------------------------------------------- */

void host_new(void) {
    now = next_byte = 0;
    turn = period = 0;
    backwards = eye = false;
    encoder_kind = outputs = stuck_mask = inputs = race = 0;
    strobe_ticks = event_count = 0;
    belt_period = travelled = change = change_count = 0;
}

uint32_t host_parts(void) { return parts_next - 1; }

void host_start(uint32_t of_boot, uint32_t previous, uint8_t cause, uint32_t clock, uint32_t at_count) {
    struct birth birth = {previous, cause};
    clock_offset = clock - (uint32_t)now;
    count = at_count;
    turn = turn ? turn : 200;
    next_turn = now;
    lag = 0;
    lost = eye_pending = false;
    fired = votes = head[0] = head[1] = 0;
    lists[0][active[0]].length = lists[1][active[1]].length = 0;
    strobe_end = sent_until = 0;
    in_head = in_tail = out_length = 0;
    controller_start(of_boot, &birth);
}

void host_encoder(uint32_t ticks, bool back) {
    period = ticks;
    backwards = back;
    next_count = now + ticks;
}

void host_belt(uint32_t ticks, const uint32_t *places, uint8_t length) {
    belt_period = ticks;
    change_count = length;
    memcpy(changes, places, length * sizeof *places);
}

void host_turn_every(uint32_t ticks) { turn = ticks; }
void host_inputs(uint8_t bits) { inputs = bits; }
void host_stick(uint8_t mask) { stuck_mask = mask; }
void host_race(uint8_t mask) { race = mask; }
uint64_t host_now(void) { return now; }
uint8_t host_outputs(void) { return outputs; }
uint32_t host_count(void) { return count; }
uint16_t *host_config(void) { return config; }

void host_eye(bool blocked) {
    if (blocked == eye)
        return;
    eye = blocked;
    uint8_t bounces = eye_edge.bounces + 1;
    if (!eye_pending)
        eye_edge = (struct eye_edge){hal_clock(), count, hal_clock(), bounces};
    eye_edge.last_clock = hal_clock();
    eye_edge.bounces = bounces;
    eye_pending = true;
}

void host_write(const uint8_t *bytes, uint32_t length) {
    if (in_head == in_tail)
        next_byte = now + BYTE_TICKS;
    for (uint32_t i = 0; i < length; i++)
        in[in_head++ % LINE] = bytes[i];
}

uint32_t host_read(uint8_t *bytes) {
    uint32_t length = out_length;
    memcpy(bytes, out, length);
    out_length = 0;
    return length;
}

uint32_t host_events(struct host_event *taken) {
    uint32_t length = event_count;
    memcpy(taken, events, length * sizeof *taken);
    event_count = 0;
    return length;
}

static void step_encoder(void) {
    next_count += period;
    travelled++;
    for (; change < change_count && changes[change] <= travelled; change++)
        host_eye(!eye);
    if (encoder_kind == ENCODER_CLOCK)
        return;
    if (backwards && encoder_kind == ENCODER_QUADRATURE) {
        lost = lost || lag == 0xffff;
        lag += lag < 0xffff;
    } else if (lag) {
        lag--;
    } else {
        count++;
        serve(BY_COUNT);
    }
}

static uint64_t next_edge(void) {
    if (head[BY_CLOCK] >= lists[BY_CLOCK][active[BY_CLOCK]].length)
        return UINT64_MAX;
    uint16_t at = lists[BY_CLOCK][active[BY_CLOCK]].edges[head[BY_CLOCK]].at;
    return now + (uint16_t)(at - (uint16_t)hal_clock());
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

void host_run(uint64_t until) {
    for (;;) {
        uint64_t at = least(least(next_turn, next_edge()), strobe_end ? strobe_end : UINT64_MAX);
        at = least(at, period ? next_count : UINT64_MAX);
        if (at > until)
            break;
        now = at;
        if (period && at == next_count)
            step_encoder();
        serve(BY_CLOCK);
        if (strobe_end && at == strobe_end) {
            strobe_end = 0;
            drive(outputs & ~OUT_CAMERA);
        }
        if (at == next_turn) {
            next_turn += turn;
            controller_poll();
        }
    }
    now = until;
}

uint8_t host_feed(const uint8_t *bytes, uint32_t length, uint8_t *payload, uint16_t *damaged) {
    static struct deframer deframer;
    deframer = (struct deframer){0};
    uint8_t found = 0;
    for (uint32_t i = 0; i < length; i++) {
        uint8_t got = deframer_feed(&deframer, bytes[i]);
        if (got) {
            memcpy(payload, deframer.bytes, got);
            found = got;
        }
    }
    *damaged = deframer.damaged;
    return found;
}

uint8_t host_frame(const uint8_t *payload, uint8_t length, uint8_t *framed) {
    memcpy(framed + 1, payload, length);
    return frame(framed, length);
}
