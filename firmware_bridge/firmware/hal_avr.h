/* What the files of the AVR's hal share. Not part of the portable core. */
#ifndef HAL_AVR_H
#define HAL_AVR_H

#include "hal.h"

extern volatile uint16_t clock_high, count_low, count_high; /* the clock's low half is TCNT1 */

void inputs_start(void); /* eye, slow inputs and serial line */
void edges_start(void);  /* timers, encoder and outputs; before it, outputs are inputs */

#endif
