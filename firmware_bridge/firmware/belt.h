/* Where the belt is, how fast it goes, and the configuration in the belt's own units. Main loop only.
 *
 * A place is an encoder count; without an encoder it is the clock itself, and one configured count is 128 clocks
 * (64 us). All places wrap: compare with `reached`. */
#ifndef BELT_H
#define BELT_H

#include "hal.h"
#include "protocol.h"

extern uint16_t config[KEYS];
extern bool configured;
extern struct counters counters; /* what was odd since the start; the fields of message COUNTERS */

extern uint32_t clock_now, place_now; /* sampled once in every turn of the main loop */
extern uint32_t moved_clock;          /* when the belt or the gate last moved */
extern bool by_clock;                 /* there is no encoder */

static inline bool reached(uint32_t now, uint32_t at) { return (int32_t)(now - at) >= 0; }

void belt_reset(void);
void belt_configure(void);
void belt_poll(void);
uint32_t belt_places(uint16_t counts);   /* configured counts as a distance in places */
uint32_t belt_distance(uint8_t key);     /* the same of a key */
uint32_t belt_per_ms(uint16_t ms);       /* how far the belt goes in `ms`; of a blow-off valve: at its fastest so far */
extern uint32_t belt_lead, belt_min_off, belt_min_on; /* the gate's times as distances, kept up with the speed */
uint32_t belt_wire_count(uint32_t place);
uint32_t belt_expand(uint16_t clock);    /* a recent clock from its low half */

#endif
