/* The parts between eye and gate: rows, deadlines, and why each part goes where it goes.
 *
 * The contract: a part is armed for reject the moment the eye sees it. Only a PASS for this part of this boot, before
 * its deadline, under a running lease, with nothing held against it, lets it through. */
#ifndef PARTS_H
#define PARTS_H

#include "belt.h"
#include "outputs.h"

#define PART_ENDED 1 /* its tail has left the eye; `length` is known */
#define PART_DIRTY 2 /* its row is to be sent */
#define PART_AWAITED 4 /* the confirmation sensor is to see it */

struct part {
    uint32_t seen, seen_clock, trigger_clock, decided; /* places and clocks */
    uint16_t length;                                   /* in configured counts */
    uint8_t phase : 2, verdict : 2, confirmed : 2, eject : 2;
    uint8_t why : 4, held : 4;
    uint8_t flags;
};

extern struct part parts_rows[RING];
extern uint32_t parts_next, parts_open; /* running numbers; all before parts_open are decided */
extern uint8_t parts_mode, parts_fault, parts_dirty;
extern uint32_t boot;

#define ROW(number) parts_row(number)

void parts_reset(void);
struct part *parts_row(uint8_t number); /* where a part has its row; the low byte is enough */
void parts_configured(void);
bool parts_has(uint32_t number); /* its row is in the ring */
void parts_tell(struct part *part);

void parts_eye(bool blocked, uint32_t place, uint32_t clock); /* an edge of the eye that was found to be real */
void parts_confirm(void);
void parts_judge(uint32_t of_boot, uint32_t number, uint8_t verdict, uint8_t eject);
void parts_lease(uint16_t ms);
bool parts_leased(void);
void parts_order(uint8_t order);
uint8_t parts_fire(uint8_t output, uint16_t ms); /* try an ejector; an `enum answer` */
void parts_poll(void);

#endif
