/* The eye and the slow inputs, freed of bouncing. Main loop only. */
#ifndef INPUTS_H
#define INPUTS_H

#include "belt.h"

extern bool inputs_eye_blocked; /* what the eye says, once it has said it long enough */

void inputs_reset(void);
void inputs_poll(void);

#endif
