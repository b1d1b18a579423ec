/* A PLC on libmodbus: plays the master's side of the contract for so many parts, and checks every result it reads.
 *
 *   plc HOST PORT PARTS PERIOD_US FIRST_PART [LOG]        trigger, wait, acknowledge; 0 us is as fast as it goes
 *   plc HOST PORT reader SECONDS SEED                     only read, at random instants, whole blocks and halves
 *
 * Every field of a result is a function of its part id (`expect`), so that a block made of two results is seen. With LOG
 * the station is a real one, whose results are what they are: part, verdict, boot and number of each go to that file. The
 * addresses and bits are in map.h, which the test writes from the table of fields. Prints one line of JSON.
 */
#include <errno.h>
#include <modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "map.h"

#define WRITTEN 10
#define MOST_LAPS 40000000

static modbus_t *line;
static uint16_t out[WRITTEN], in[STATION_WORDS];
static double *took_us;
static long exchanges, wrong_fields, wrong_order, wrong_halves, checked, empty;

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static uint32_t word32(const uint16_t *from, int at) { return (uint32_t)from[at - STATION_START] << 16 | from[at + 1 - STATION_START]; }
static uint16_t word(const uint16_t *from, int at) { return from[at - STATION_START]; }
static uint32_t mix(uint32_t part, uint32_t salt) {
    uint32_t x = part * 2654435761u ^ salt * 40503u;
    x ^= x >> 15;
    x *= 2246822519u;
    return x ^ x >> 13;
}

/* 1 if the block is exactly the result of the part that it names. */
static int expect(const uint16_t *block) {
    uint32_t part = word32(block, RESULT_PART_ID);
    return word(block, VERDICT) == 1 + mix(part, 1) % 2
        && word(block, DEFECT_CLASS) == mix(part, 2) % 50
        && word(block, DEFECT_COUNT) == mix(part, 3) % 9
        && word(block, SCORE) == mix(part, 4) % 20000
        && word(block, INSPECTION_TIME) == mix(part, 5) % 5000
        && word32(block, PART_X) == mix(part, 6) % 100000
        && word32(block, PART_Y) == mix(part, 7) % 100000
        && word(block, PART_ANGLE) == mix(part, 8) % 18000
        && word32(block, DEFECT_X) == mix(part, 9) % 100000
        && word32(block, DEFECT_Y) == mix(part, 10) % 100000
        && word32(block, RESULT_ENCODER) == mix(part, 11)
        && word32(block, RECORD_NUMBER) == part
        && word(block, INSPECTION_ID) == word(block, INSPECTION_ID_COPY);
}

static int all_zero(const uint16_t *block) {
    return !word32(block, RESULT_PART_ID) && !word(block, VERDICT) && !word(block, SCORE) && !word32(block, PART_X)
        && !word32(block, DEFECT_Y) && !word32(block, RESULT_ENCODER) && !word32(block, RECORD_NUMBER);
}

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static void exchange(void) {
    out[PLC_HEARTBEAT]++;
    double since = now_us();
    if (modbus_write_and_read_registers(line, 0, WRITTEN, out, STATION_START, STATION_WORDS, in) != STATION_WORDS)
        fail("exchange");
    took_us[exchanges++ % 1000000] = now_us() - since;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void play(long parts, long period_us, uint32_t first, FILE *log) {
    long triggered = 0, done = 0, missed = 0, passed = 0, rejected = 0;
    uint32_t expected = first;
    uint16_t last_inspection = 0;
    double start = now_us(), since = start, longest = 0;
    double triggered_at[64];
    out[CONTROL] = CONTROL_TRIGGER_ENABLE | CONTROL_BUFFER_RESULTS | CONTROL_LINE_RUNNING;
    exchange(); /* takes control; a bit that is high in it is no edge */
    out[CONTROL] |= CONTROL_FAULT_RESET;
    exchange();
    out[CONTROL] &= ~CONTROL_FAULT_RESET;
    while (done < parts) {
        exchange();
        if (exchanges > MOST_LAPS || now_us() - since > 20e6) {
            fprintf(stderr, "stuck: done %ld triggered %ld status %04x faults %04x not_ready %d error %d\n", done,
                    triggered, word(in, STATUS), word(in, FAULTS), word(in, NOT_READY), word(in, ERROR_CODE));
            exit(1);
        }
        uint16_t status = word(in, STATUS);
        missed += (status & STATUS_MISSED_TRIGGER) && (out[CONTROL] & CONTROL_TRIGGER);
        /* the trigger's half */
        if (out[CONTROL] & CONTROL_TRIGGER) {
            if (status & STATUS_TRIGGER_ACK) {
                if (word32(in, ACCEPTED_PART_ID) != first + triggered) wrong_order++;
                triggered_at[triggered % 64] = now_us();
                triggered++;
                out[CONTROL] &= ~CONTROL_TRIGGER;
            }
        } else if (triggered < parts && !(status & STATUS_TRIGGER_ACK) && (status & STATUS_TRIGGER_READY)
                   && now_us() >= start + (double)triggered * period_us) {
            uint32_t part = first + triggered, encoder = mix(part, 11);
            out[TRIGGER_PART_ID] = part >> 16;
            out[TRIGGER_PART_ID + 1] = part & 0xffff;
            out[TRIGGER_ENCODER] = encoder >> 16;
            out[TRIGGER_ENCODER + 1] = encoder & 0xffff;
            out[CONTROL] |= CONTROL_TRIGGER;
        }
        /* the result's half */
        if (out[CONTROL] & CONTROL_RESULTS_ACK) {
            if (!(status & STATUS_RESULTS_VALID)) out[CONTROL] &= ~CONTROL_RESULTS_ACK;
        } else if (status & STATUS_RESULTS_VALID) {
            checked++;
            if (!log && !expect(in)) wrong_fields++;
            if (log && word(in, INSPECTION_ID) != word(in, INSPECTION_ID_COPY)) wrong_fields++;
            if (log)
                fprintf(log, "%u %d %u %u\n", word32(in, RESULT_PART_ID), word(in, VERDICT), word32(in, RECORD_BOOT),
                        word32(in, RECORD_NUMBER));
            if (word32(in, RESULT_PART_ID) != expected++) wrong_order++;
            uint16_t inspection = word(in, INSPECTION_ID);
            if (last_inspection && inspection != (last_inspection == 0xffff ? 1 : last_inspection + 1)) wrong_order++;
            last_inspection = inspection;
            if (word(in, VERDICT) == 1) passed++; else rejected++;
            double age = now_us() - triggered_at[done % 64];
            if (age > longest) longest = age;
            done++;
            since = now_us();
            out[CONTROL] |= CONTROL_RESULTS_ACK;
        }
        if (period_us) usleep(1000);
    }
    double seconds = (now_us() - start) / 1e6;
    while (word(in, STATUS) & STATUS_RESULTS_VALID) exchange();
    out[CONTROL] = 0;
    exchange();
    long kept = exchanges < 1000000 ? exchanges : 1000000;
    qsort(took_us, kept, sizeof *took_us, by_size);
    printf("{\"parts\": %ld, \"passed\": %ld, \"rejected\": %ld, \"wrong_fields\": %ld, \"wrong_order\": %ld, "
           "\"missed\": %ld, \"exchanges\": %ld, \"seconds\": %.3f, \"median_ms\": %.4f, \"p99_ms\": %.4f, "
           "\"max_ms\": %.3f, \"longest_result_ms\": %.2f}\n",
           done, passed, rejected, wrong_fields, wrong_order, missed, exchanges, seconds, took_us[kept / 2] / 1e3,
           took_us[kept * 99 / 100] / 1e3, took_us[kept - 1] / 1e3, longest / 1e3);
}

static int whole(int start, int count) { return modbus_read_registers(line, start, count, in + start - STATION_START) == count; }

static void watch(double seconds, unsigned seed) {
    double until = now_us() + seconds * 1e6;
    int middle = RESULT_PART_ID + 14, end = STATION_START + STATION_WORDS;
    srand(seed);
    while (now_us() < until) {
        if (!whole(STATION_START, STATION_WORDS)) fail("read");
        if (word(in, STATUS) & STATUS_RESULTS_VALID) {
            checked++;
            if (!expect(in)) wrong_fields++;
        } else {
            empty++;
            if (!all_zero(in)) wrong_fields++;
        }
        usleep(rand() % 700);
        /* In two pieces: whole if both numbers of the inspection are the same and a result was there. */
        if (!whole(STATION_START, middle - STATION_START)) fail("read");
        if (rand() % 2) usleep(rand() % 700);
        if (!whole(middle, end - middle)) fail("read");
        if ((word(in, STATUS) & STATUS_RESULTS_VALID) && word(in, INSPECTION_ID) == word(in, INSPECTION_ID_COPY)
            && word32(in, RECORD_NUMBER)) {
            checked++;
            if (!expect(in)) wrong_halves++;
        }
        usleep(rand() % 700);
    }
    printf("{\"checked\": %ld, \"empty\": %ld, \"wrong_fields\": %ld, \"wrong_halves\": %ld}\n", checked, empty,
           wrong_fields, wrong_halves);
}

int main(int count, char **words) {
    if (count < 6) return 2;
    took_us = calloc(1000000, sizeof *took_us);
    line = modbus_new_tcp(words[1], atoi(words[2]));
    modbus_set_response_timeout(line, 5, 0);
    if (!took_us || modbus_connect(line)) fail("connect");
    if (!strcmp(words[3], "reader"))
        watch(atof(words[4]), (unsigned)atoi(words[5]));
    else
        play(atol(words[3]), atol(words[4]), (uint32_t)atol(words[5]), count > 6 ? fopen(words[6], "w") : NULL);
    modbus_close(line);
    modbus_free(line);
    return 0;
}
