/* The outputs: windows of the gate and pulses of the sorters as timed edges, and the limits no output may exceed.
 *
 * It decides when an output moves and that it cannot stay on; not which part deserves what (that is parts). */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include "belt.h"

#define WINDOWS 4

extern bool outputs_gate;        /* the gate is energised */
extern uint16_t outputs_test_ms; /* how long the output under test stays on; 0: none is under test */

void outputs_reset(void);
void outputs_poll(void);

/* The gate is to be energised from place `start` to place `until` for part `number`; false if too many wait. */
bool outputs_window(uint32_t start, uint32_t until, uint32_t number);
bool outputs_window_near(uint32_t start, uint32_t number); /* the last window ends too close before `start` */
void outputs_drop(void);                                   /* forget all windows and pulses, de-energise the ejectors */
void outputs_purge(uint32_t until);                        /* energise the gate up to a place, whatever comes */
bool outputs_purging(void);

/* The next trigger is for this row, counted from 1; 0: for none. `fired`: for which it was made since the last call. */
void outputs_camera(uint8_t row, uint32_t at);
uint8_t outputs_camera_fired(uint32_t *clock);

bool outputs_sort(uint8_t ejector, uint32_t start); /* a pulse of sorter 1 to 3; false if it is still busy */
uint8_t outputs_fire(uint8_t output, uint16_t ms); /* one pulse from now on, for a test; an `enum answer` */
void outputs_line_run(bool run);

/* What parts is asked or told. */
bool parts_next_start(uint32_t *start); /* where the window of the next undecided part would start */
void parts_shut_down(uint8_t fault);
void parts_gate_cut(void);              /* the gate had to be switched off before its window was over */

#endif
