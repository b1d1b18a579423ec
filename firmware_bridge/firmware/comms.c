/* See comms.h. */
#include "comms.h"

#include "framing.h"
#include "inputs.h"
#include "outputs.h"
#include "parts.h"

#ifdef __AVR__
#include <avr/pgmspace.h> /* tables stay in flash: RAM is for rows */
#else
#define PROGMEM
#define pgm_read_word(at) (*(at))
#define pgm_read_byte(at) (*(at))
#endif

#define MESSAGES_A_TURN 3
#define RESET_BY_WATCHDOG 8 /* WDRF in the AVR's MCUSR */

static struct deframer deframer;
static struct birth birth;
static uint16_t staged[KEYS];
static uint8_t staged_set[(KEYS + 7) / 8];
static uint8_t config_set[(KEYS + 7) / 8];
static bool spoilt; /* a staged value does not fit */
static uint32_t config_crc;
static uint8_t crc_key; /* the check of the live configuration goes on here */
static uint32_t crc_sum;
#define OWES_IDENT 1
#define OWES_STATUS 2
#define OWES_COUNTERS 4
#define OWES_FIRED 8
static uint8_t owes;
static uint16_t fire_serial; /* of the last test, and how it was answered */
static uint8_t fire_answer;
static uint16_t status_serial;
static uint8_t next_row;

/* -- the configuration ------------------------------------------------------------------------------------------ */

static bool is_set(const uint8_t *bits, uint8_t key) { return bits[key >> 3] >> (key & 7) & 1; }

static uint32_t crc_of(uint32_t crc, uint8_t key, uint16_t value) {
    crc = crc32_add(crc32_add(crc32_add(crc, key), value), value >> 8);
    return crc32_add(crc32_add(crc, 0), 0);
}

static uint32_t finish(uint32_t crc) { return ~crc ? ~crc : 1; }

static void unstage(void) {
    for (uint8_t key = 0; key < KEYS; key++)
        staged[key] = 0;
    staged[KEY_ENCODER] = KEY_ENCODER_DEFAULT;
    for (uint8_t i = 0; i < sizeof staged_set; i++)
        staged_set[i] = 0;
    spoilt = false;
}

static void set(uint8_t key, uint32_t value) {
    if (parts_mode == MODE_RUN)
        return;
    if (key == 0 || key >= KEYS || value > 0xffff) {
        spoilt = true;
        return;
    }
    staged[key] = value;
    staged_set[key >> 3] |= 1 << (key & 7);
}

static const uint16_t bounds[KEYS][2] PROGMEM = {KEY_BOUNDS};

/* No number that the arithmetic here could not stand; firmware_bridge/settings.py says the same in words. */
static bool sane(void) {
    for (uint8_t key = 1; key < KEYS; key++)
        if (staged[key] < pgm_read_word(&bounds[key][0]) || staged[key] > pgm_read_word(&bounds[key][1]))
            return false;
    return staged[KEY_MIN_ON_MS] < staged[KEY_MAX_ON_MS];
}

static void commit(uint32_t wanted) {
    owes |= OWES_IDENT;
    uint32_t crc = 0xffffffffUL;
    bool complete = !spoilt;
    for (uint8_t key = 1; key < KEYS; key++) {
        if (is_set(staged_set, key))
            crc = crc_of(crc, key, staged[key]);
        else if (key <= KEYS_REQUIRED)
            complete = false;
    }
    if (complete && finish(crc) == wanted && parts_mode != MODE_RUN && sane()) {
        for (uint8_t key = 0; key < KEYS; key++)
            config[key] = staged[key];
        for (uint8_t i = 0; i < sizeof config_set; i++)
            config_set[i] = staged_set[i];
        config_crc = wanted;
        crc_key = 1;
        crc_sum = 0xffffffffUL;
        hal_strobe(config[KEY_STROBE_US] * TICKS_PER_US);
        belt_configure();
        parts_configured();
    }
    unstage();
}

/* One key in each turn of the main loop: memory that has lost a bit must not decide about parts. */
static void check_config(void) {
    if (!configured)
        return;
    if (is_set(config_set, crc_key))
        crc_sum = crc_of(crc_sum, crc_key, config[crc_key]);
    if (++crc_key < KEYS)
        return;
    if (finish(crc_sum) != config_crc)
        parts_shut_down(FAULT_CONFIG_CRC);
    crc_key = 1;
    crc_sum = 0xffffffffUL;
}

/* -- hearing ---------------------------------------------------------------------------------------------------- */

static uint16_t get16(const uint8_t *p) { return p[0] | (uint16_t)p[1] << 8; }
static uint32_t get32(const uint8_t *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }

static void read_rows(uint32_t first, uint8_t rows) {
    for (; rows && first < parts_next; rows--, first++)
        if (parts_has(first))
            parts_tell(ROW(first));
}

static void answer_status(uint16_t serial) {
    if (!(owes & OWES_STATUS) || serial)
        status_serial = serial;
    owes |= OWES_STATUS;
}

/* A pulse that was asked for twice is made once: the second answer is that of the first. */
static void fire(const uint8_t *p) {
    owes |= OWES_FIRED;
    uint16_t serial = get16(p + M_FIRE_SERIAL);
    if (serial == fire_serial)
        return;
    fire_serial = serial;
    fire_answer = parts_fire(p[M_FIRE_OUTPUT], get16(p + M_FIRE_PULSE_MS));
}

/* Of the messages from 1 on. */
static const uint8_t lengths[] PROGMEM = {M_HELLO_LENGTH,   M_SET_LENGTH,  M_COMMIT_LENGTH, M_LEASE_LENGTH, M_JUDGE_LENGTH,
                                          M_COMMAND_LENGTH, M_READ_LENGTH, M_COUNT_LENGTH,  M_FIRE_LENGTH};

static void hear(const uint8_t *p, uint8_t length) {
    uint8_t kind = p[0] - M_HELLO;
    if (kind >= sizeof lengths || length != pgm_read_byte(&lengths[kind])) {
        counters.unknown_message++;
        return;
    }
    switch (p[0]) {
    case M_HELLO:
        owes |= OWES_IDENT;
        break;
    case M_SET:
        set(p[M_SET_KEY], get32(p + M_SET_VALUE));
        break;
    case M_COMMIT:
        commit(get32(p + M_COMMIT_CRC));
        break;
    case M_LEASE:
        parts_lease(get16(p + M_LEASE_LEASE_MS));
        answer_status(get16(p + M_LEASE_SERIAL));
        break;
    case M_JUDGE:
        parts_judge(get32(p + M_JUDGE_BOOT), get32(p + M_JUDGE_PART), p[M_JUDGE_VERDICT], p[M_JUDGE_EJECT]);
        break;
    case M_COMMAND:
        parts_order(p[M_COMMAND_ORDER]);
        answer_status(0);
        break;
    case M_READ:
        read_rows(get32(p + M_READ_FIRST), p[M_READ_ROWS]);
        break;
    case M_FIRE:
        fire(p);
        break;
    default:
        owes |= OWES_COUNTERS;
    }
}

/* -- speaking --------------------------------------------------------------------------------------------------- */

static uint8_t framed[PAYLOAD_OUT + 2];
#define message (framed + 1)

static void put16(uint8_t at, uint16_t value) {
    message[at] = value;
    message[at + 1] = value >> 8;
}

static void put32(uint8_t at, uint32_t value) {
    put16(at, value);
    put16(at + 2, value >> 16);
}

static uint8_t ident(void) {
    message[0] = M_IDENT;
    put32(M_IDENT_PROTOCOL, PROTOCOL_VERSION);
    put32(M_IDENT_BOOT, boot);
    put32(M_IDENT_PREVIOUS_PARTS, birth.previous_parts);
    put32(M_IDENT_CLOCK_HZ, CLOCK_HZ);
    put32(M_IDENT_CONFIG_CRC, configured ? config_crc : 0);
    message[M_IDENT_RING] = RING;
    message[M_IDENT_RESET_CAUSE] = birth.reset_cause;
    return M_IDENT_LENGTH;
}

static uint8_t status(void) {
    belt_poll(); /* the clock of now, not of the turn's beginning */
    message[0] = M_STATUS;
    put16(M_STATUS_SERIAL, status_serial);
    put32(M_STATUS_BOOT, boot);
    put32(M_STATUS_CLOCK, clock_now);
    put32(M_STATUS_COUNT, belt_wire_count(place_now));
    put32(M_STATUS_NEXT_PART, parts_next);
    put32(M_STATUS_OPEN_PART, parts_open);
    message[M_STATUS_MODE] = parts_mode;
    message[M_STATUS_FAULT] = parts_fault;
    message[M_STATUS_FLAGS] =
        inputs_eye_blocked | parts_leased() << 1 | !!(hal_outputs() & OUT_LINE_RUN) << 2 | outputs_gate << 3;
    put16(M_STATUS_DAMAGED, deframer.damaged);
    return M_STATUS_LENGTH;
}

static uint8_t counts(void) {
    counters.overruns = hal_overruns();
    message[0] = M_COUNTERS;
    const uint16_t *count = &counters.late; /* the struct holds nothing but these, in the order of the message */
    for (uint8_t at = 1; at < M_COUNTERS_LENGTH; at += 2)
        put16(at, *count++);
    return M_COUNTERS_LENGTH;
}

static uint8_t row(void) {
    while (!(parts_rows[next_row].flags & PART_DIRTY))
        next_row = (next_row + 1) % RING;
    struct part *part = &parts_rows[next_row];
    uint32_t number = parts_next - 1 - (uint8_t)((uint8_t)(parts_next - 1) - next_row) % RING;
    part->flags &= ~PART_DIRTY;
    parts_dirty--;
    message[0] = M_PARTROW;
    put32(M_PARTROW_BOOT, boot);
    put32(M_PARTROW_PART, number);
    message[M_PARTROW_PHASE] = part->phase;
    message[M_PARTROW_VERDICT] = part->verdict;
    message[M_PARTROW_WHY] = part->why;
    message[M_PARTROW_CONFIRMED] = part->confirmed;
    put32(M_PARTROW_SEEN_COUNT, belt_wire_count(part->seen));
    put32(M_PARTROW_SEEN_CLOCK, part->seen_clock);
    put32(M_PARTROW_TRIGGER_CLOCK, part->trigger_clock);
    bool decided = part->phase == PHASE_DECIDED && part->why != WHY_NOT_CONFIGURED;
    put32(M_PARTROW_DECIDED_COUNT, decided ? belt_wire_count(part->decided) : 0);
    return M_PARTROW_LENGTH;
}

static uint8_t fired(void) {
    message[0] = M_FIRED;
    put16(M_FIRED_SERIAL, fire_serial);
    message[M_FIRED_ANSWER] = fire_answer;
    return M_FIRED_LENGTH;
}

/* Whether this is owed; from now on it is not. */
static bool pay(uint8_t debt) {
    bool owed = owes & debt;
    owes &= ~debt;
    return owed;
}

static void speak(void) {
    uint8_t length;
    if (hal_sending())
        return;
    if (pay(OWES_STATUS))
        length = status();
    else if (pay(OWES_IDENT))
        length = ident();
    else if (pay(OWES_FIRED))
        length = fired();
    else if (parts_dirty)
        length = row();
    else if (pay(OWES_COUNTERS))
        length = counts();
    else
        return;
    hal_send(framed, frame(framed, length));
}

void comms_reset(const struct birth *of) {
    birth = *of;
    deframer = (struct deframer){0};
    config_crc = 0;
    owes = 0;
    fire_serial = 0;
    next_row = 0;
    unstage();
}

void comms_poll(void) {
    uint8_t byte, heard = 0;
    /* A few messages a turn keep the turn short, and are more than arrive in one. */
    while (heard < MESSAGES_A_TURN && hal_receive(&byte)) {
        uint8_t length = deframer_feed(&deframer, byte);
        if (length) {
            hear(deframer.bytes, length);
            heard++;
        }
    }
    check_config();
    speak();
}

/* -- the whole ---------------------------------------------------------------------------------------------------- */

void controller_start(uint32_t of_boot, const struct birth *of) {
    boot = of_boot;
    belt_reset();
    for (uint8_t key = 0; key < KEYS; key++)
        config[key] = 0;
    outputs_reset();
    inputs_reset();
    parts_reset();
    comms_reset(of);
    if (of->reset_cause & RESET_BY_WATCHDOG)
        parts_shut_down(FAULT_WATCHDOG);
}

void controller_poll(void) {
    belt_poll();
    inputs_poll();
    parts_poll();
    outputs_poll();
    comms_poll();
}
