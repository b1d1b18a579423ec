/* What the station and the controller tell each other. Answers are not queued as bytes but remembered as debts: a
 * row that changed is sent when the line is free, so nothing overflows and the newest state goes out. */
#ifndef COMMS_H
#define COMMS_H

#include <stdint.h>

struct birth {
    uint32_t previous_parts;
    uint8_t reset_cause;
};

void comms_reset(const struct birth *birth);
void comms_poll(void);

/* The whole controller: what main() calls, and what the host tests call. */
void controller_start(uint32_t boot, const struct birth *birth);
void controller_poll(void);

#endif
