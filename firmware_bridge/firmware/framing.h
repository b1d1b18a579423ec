/* Frames on the wire: COBS(payload + crc32) and a zero byte, as in firmware_bridge/framing.py. No I/O. */
#ifndef FRAMING_H
#define FRAMING_H

#include <stdbool.h>
#include <stdint.h>

#define PAYLOAD_IN 20  /* longest payload that the station may send us, with its CRC and the zero that ends it */
#define PAYLOAD_OUT 36 /* longest that we send, with its CRC */

struct deframer {
    uint8_t bytes[PAYLOAD_IN];
    uint8_t length, left, run;
    bool broken, any;
    uint16_t damaged;
};

uint32_t crc32_add(uint32_t crc, uint8_t byte); /* IEEE 802.3, reflected; start at 0xffffffff, invert at the end */
uint8_t deframer_feed(struct deframer *deframer, uint8_t byte); /* length of the payload that this byte ended, or 0 */
/* Frame the payload that lies from out[1] on, in place; out must have 6 bytes more. Returns the length of the frame. */
uint8_t frame(uint8_t *out, uint8_t length);

#endif
