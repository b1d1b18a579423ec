/* Written by firmware_bridge/header.py from protocol.py; do not edit.
 *
 * Every message as its code, its length and where its fields start (the code is byte 0; little-endian). */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

#define PROTOCOL_VERSION 0x566341fdUL
#define RING 32

enum verdict {
    VERDICT_NONE = 0,
    VERDICT_PASS = 1,
    VERDICT_REJECT = 2,
    VERDICT_NOT_INSPECTED = 3,
};

enum phase {
    PHASE_SEEN = 1,
    PHASE_TRIGGERED = 2,
    PHASE_DECIDED = 3,
};

enum why {
    WHY_OPEN = 0,
    WHY_EARNED = 1,
    WHY_JUDGED_BAD = 2,
    WHY_NOT_INSPECTED = 3,
    WHY_NO_VERDICT = 4,
    WHY_LEASE_EXPIRED = 5,
    WHY_TOO_CLOSE = 6,
    WHY_TOO_LONG = 7,
    WHY_SHUT_DOWN = 8,
    WHY_NOT_CONFIGURED = 9,
    WHY_QUEUE_FULL = 10,
    WHY_PURGED = 11,
    WHY_CONTRADICTION = 12,
};

enum confirmed {
    CONFIRMED_UNKNOWN = 0,
    CONFIRMED_SEEN = 1,
    CONFIRMED_MISSED = 2,
    CONFIRMED_SORTED = 3,
};

enum mode {
    MODE_BOOT = 0,
    MODE_READY = 1,
    MODE_RUN = 2,
    MODE_SHUT_DOWN = 3,
};

enum fault {
    FAULT_NONE = 0,
    FAULT_EYE_STUCK = 1,
    FAULT_CONFIG_CRC = 2,
    FAULT_OUTPUT_STUCK = 3,
    FAULT_CONSECUTIVE_REJECTS = 4,
    FAULT_CONSECUTIVE_UNKNOWN = 5,
    FAULT_NOT_CONFIRMED = 6,
    FAULT_BIN_FULL = 7,
    FAULT_LOW_AIR = 8,
    FAULT_WATCHDOG = 9,
    FAULT_REJECTS_OF_LAST = 10,
    FAULT_QUEUE_FULL = 11,
    FAULT_ENCODER_LOST = 12,
};

enum order {
    ORDER_RUN = 1,
    ORDER_STOP = 2,
    ORDER_RESET = 3,
};

enum answer {
    ANSWER_FIRED = 1,
    ANSWER_NOT_READY = 2,
    ANSWER_NOT_AT_REST = 3,
    ANSWER_BUSY = 4,
    ANSWER_NO_OUTPUT = 5,
};

enum encoder {
    ENCODER_CLOCK = 0,
    ENCODER_SINGLE = 1,
    ENCODER_QUADRATURE = 2,
};

enum input {
    INPUT_CONFIRM = 1,
    INPUT_BIN_FULL = 2,
    INPUT_LOW_AIR = 4,
};

enum key {
    KEY_CAMERA_COUNT = 1,
    KEY_GATE_COUNT = 2,
    KEY_GUARD_COUNT = 3,
    KEY_MIN_SPACING_COUNT = 4,
    KEY_PART_MAX_COUNT = 5,
    KEY_EYE_STUCK_COUNT = 6,
    KEY_DEBOUNCE_US = 7,
    KEY_STROBE_US = 8,
    KEY_LEAD_MS = 9,
    KEY_MIN_ON_MS = 10,
    KEY_MAX_ON_MS = 11,
    KEY_MIN_OFF_MS = 12,
    KEY_ENERGISED_PASSES = 13,
    KEY_CONFIRM_WINDOW_COUNT = 14,
    KEY_CONSECUTIVE_REJECTS_STOP = 15,
    KEY_CONSECUTIVE_UNKNOWN_STOP = 16,
    KEY_REJECTS_OF_LAST_STOP = 17,
    KEY_LAST_PARTS = 18,
    KEY_ENCODER = 19,
    KEY_INPUTS = 20,
    KEY_EJECT_1_COUNT = 21,
    KEY_EJECT_1_ON_MS = 22,
    KEY_EJECT_1_LEAD_MS = 23,
    KEY_EJECT_1_MAX_ON_MS = 24,
    KEY_EJECT_1_MIN_OFF_MS = 25,
    KEY_EJECT_2_COUNT = 26,
    KEY_EJECT_2_ON_MS = 27,
    KEY_EJECT_2_LEAD_MS = 28,
    KEY_EJECT_2_MAX_ON_MS = 29,
    KEY_EJECT_2_MIN_OFF_MS = 30,
    KEY_EJECT_3_COUNT = 31,
    KEY_EJECT_3_ON_MS = 32,
    KEY_EJECT_3_LEAD_MS = 33,
    KEY_EJECT_3_MAX_ON_MS = 34,
    KEY_EJECT_3_MIN_OFF_MS = 35,
};

#define KEYS 36
#define KEYS_REQUIRED 16
#define KEY_ENCODER_DEFAULT 2
#define KEY_BOUNDS \
    {0, 0}, \
    {0, 65535}, \
    {1, 65535}, \
    {1, 65535}, \
    {0, 65535}, \
    {1, 65535}, \
    {0, 65535}, \
    {0, 10000}, \
    {1, 30000}, \
    {0, 250}, \
    {0, 1000}, \
    {1, 30000}, \
    {0, 250}, \
    {0, 1}, \
    {0, 65535}, \
    {0, 65535}, \
    {0, 65535}, \
    {0, 65535}, \
    {0, 32}, \
    {0, 2}, \
    {0, 7}, \
    {0, 65535}, \
    {0, 30000}, \
    {0, 250}, \
    {0, 30000}, \
    {0, 30000}, \
    {0, 65535}, \
    {0, 30000}, \
    {0, 250}, \
    {0, 30000}, \
    {0, 30000}, \
    {0, 65535}, \
    {0, 30000}, \
    {0, 250}, \
    {0, 30000}, \
    {0, 30000}, \

#define M_HELLO 0x01
#define M_HELLO_PROTOCOL 1
#define M_HELLO_LENGTH 5

#define M_SET 0x02
#define M_SET_KEY 1
#define M_SET_VALUE 2
#define M_SET_LENGTH 6

#define M_COMMIT 0x03
#define M_COMMIT_CRC 1
#define M_COMMIT_LENGTH 5

#define M_LEASE 0x04
#define M_LEASE_SERIAL 1
#define M_LEASE_LEASE_MS 3
#define M_LEASE_LENGTH 5

#define M_JUDGE 0x05
#define M_JUDGE_BOOT 1
#define M_JUDGE_PART 5
#define M_JUDGE_VERDICT 9
#define M_JUDGE_EJECT 10
#define M_JUDGE_LENGTH 11

#define M_COMMAND 0x06
#define M_COMMAND_ORDER 1
#define M_COMMAND_LENGTH 2

#define M_READ 0x07
#define M_READ_FIRST 1
#define M_READ_ROWS 5
#define M_READ_LENGTH 6

#define M_COUNT 0x08
#define M_COUNT_LENGTH 1

#define M_FIRE 0x09
#define M_FIRE_SERIAL 1
#define M_FIRE_OUTPUT 3
#define M_FIRE_PULSE_MS 4
#define M_FIRE_LENGTH 6

#define M_IDENT 0x81
#define M_IDENT_PROTOCOL 1
#define M_IDENT_BOOT 5
#define M_IDENT_PREVIOUS_PARTS 9
#define M_IDENT_CLOCK_HZ 13
#define M_IDENT_CONFIG_CRC 17
#define M_IDENT_RING 21
#define M_IDENT_RESET_CAUSE 22
#define M_IDENT_LENGTH 23

#define M_STATUS 0x82
#define M_STATUS_SERIAL 1
#define M_STATUS_BOOT 3
#define M_STATUS_CLOCK 7
#define M_STATUS_COUNT 11
#define M_STATUS_NEXT_PART 15
#define M_STATUS_OPEN_PART 19
#define M_STATUS_MODE 23
#define M_STATUS_FAULT 24
#define M_STATUS_FLAGS 25
#define M_STATUS_DAMAGED 26
#define M_STATUS_LENGTH 28

#define M_PARTROW 0x83
#define M_PARTROW_BOOT 1
#define M_PARTROW_PART 5
#define M_PARTROW_PHASE 9
#define M_PARTROW_VERDICT 10
#define M_PARTROW_WHY 11
#define M_PARTROW_CONFIRMED 12
#define M_PARTROW_SEEN_COUNT 13
#define M_PARTROW_SEEN_CLOCK 17
#define M_PARTROW_TRIGGER_CLOCK 21
#define M_PARTROW_DECIDED_COUNT 25
#define M_PARTROW_LENGTH 29

#define M_COUNTERS 0x84
#define M_COUNTERS_LATE 1
#define M_COUNTERS_STALE 3
#define M_COUNTERS_UNKNOWN_PART 5
#define M_COUNTERS_REPEATED 7
#define M_COUNTERS_CONTRADICTIONS 9
#define M_COUNTERS_UNKNOWN_MESSAGE 11
#define M_COUNTERS_GLITCHES 13
#define M_COUNTERS_UNEXPECTED 15
#define M_COUNTERS_LIMITED 17
#define M_COUNTERS_MOST_IN_FLIGHT 19
#define M_COUNTERS_OVERRUNS 21
#define M_COUNTERS_LENGTH 23

#define M_FIRED 0x85
#define M_FIRED_SERIAL 1
#define M_FIRED_ANSWER 3
#define M_FIRED_LENGTH 4

struct counters {
    uint16_t late;
    uint16_t stale;
    uint16_t unknown_part;
    uint16_t repeated;
    uint16_t contradictions;
    uint16_t unknown_message;
    uint16_t glitches;
    uint16_t unexpected;
    uint16_t limited;
    uint16_t most_in_flight;
    uint16_t overruns;
};

#endif
