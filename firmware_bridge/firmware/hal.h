/* What the portable core needs of a machine. hal_avr.c is the microcontroller, hal_host.c the tests' stand-in.
 *
 * Times are 32-bit clocks of CLOCK_HZ, places 32-bit encoder counts; both wrap and are compared by difference.
 * Outputs are bits of one port, so that one write moves several at the same instant. */
#ifndef HAL_H
#define HAL_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_HZ 2000000UL
#define TICKS_PER_MS 2000UL
#define TICKS_PER_US 2UL

/* One bit for each output; bit n belongs to slot n. Slot 0 is the gate (ejector 0), 1 to 3 are the sorters. */
#define OUT_GATE 0x01
#define OUT_EJECTORS 0x0f
#define OUT_CAMERA 0x10
#define OUT_LINE_RUN 0x20
#define OUT_ALL 0x3f
#define SLOTS 6
#define SLOT_CAMERA 4

/* An output edge that the machine makes by itself when its counter reaches `at`. With a `vote` (1 or 2) the edge is
 * made only by the second of the two votes: off when the part is past AND the shortest pulse is over. */
struct edge {
    uint16_t at;
    uint8_t set, clear, vote, slot;
};

#define EDGES 8
struct edge_list {
    uint8_t length;
    struct edge edges[EDGES]; /* soonest first */
};

enum domain { BY_COUNT, BY_CLOCK };

struct eye_edge {
    uint32_t clock, count;       /* of the first edge of a burst */
    uint32_t last_clock;         /* of its last one */
    uint8_t bounces;
};

uint32_t hal_clock(void);
uint32_t hal_count(void);
bool hal_encoder_lost(void); /* it ran back further than can be remembered */
void hal_encoder(uint8_t kind);

bool hal_eye_edge(struct eye_edge *edge); /* a burst of edges of the eye that is not taken yet */
void hal_eye_taken(const struct eye_edge *edge);
bool hal_eye_blocked(void);
uint8_t hal_inputs(void); /* bits of enum input; open circuit reads 1 */

uint8_t hal_outputs(void);
bool hal_outputs_stuck(void); /* a pin is not where it is driven */
void hal_drive(uint8_t set, uint8_t clear);
bool hal_load(enum domain domain, const struct edge_list *list); /* false: an edge fired meanwhile, look again */
struct edge_list *hal_spare(enum domain domain);                 /* where the next list may be written */
const struct edge_list *hal_loaded(enum domain domain, uint8_t *fired);
uint8_t hal_take_fired(void);         /* outputs that an edge has switched on since the last call */
uint16_t hal_stamp(uint8_t slot);     /* clock at which an edge last moved this output, low half */
uint8_t hal_votes(void);
void hal_set_votes(uint8_t votes);
void hal_strobe(uint16_t ticks); /* how long the camera output stays on */

bool hal_receive(uint8_t *byte);
uint16_t hal_overruns(void);
bool hal_sending(void);
void hal_send(const uint8_t *bytes, uint8_t length);

#endif
