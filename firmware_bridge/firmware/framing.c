/* See framing.h. COBS: Cheshire & Baker, IEEE/ACM ToN 7(2), 1999. */
#include "framing.h"

#include "flash.h"

/* Sixteen entries instead of 256: 64 bytes, and a frame still costs less than it takes to arrive. */
static const uint32_t nibbles[16] PROGMEM = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t crc32_add(uint32_t crc, uint8_t byte) {
    crc ^= byte;
    crc = (crc >> 4) ^ pgm_read_dword(&nibbles[crc & 15]);
    return (crc >> 4) ^ pgm_read_dword(&nibbles[crc & 15]);
}

static uint32_t crc32(const uint8_t *bytes, uint8_t length) {
    uint32_t crc = 0xffffffffUL;
    while (length--)
        crc = crc32_add(crc, *bytes++);
    return ~crc;
}

static uint8_t close_frame(struct deframer *d) {
    /* The last run carries no zero of its own: the one that its end implies is not part of the payload. */
    bool whole = !d->broken && d->left == 0 && d->length > 5;
    uint8_t length = d->length - 5;
    if (whole) {
        uint32_t crc = crc32(d->bytes, length);
        for (uint8_t i = 0; i < 4; i++, crc >>= 8)
            whole = whole && d->bytes[length + i] == (uint8_t)crc;
    }
    if (!whole && d->any)
        d->damaged++;
    d->length = d->left = 0;
    d->broken = d->any = false;
    return whole ? length : 0;
}

static void store(struct deframer *d, uint8_t byte) {
    if (d->length < PAYLOAD_IN)
        d->bytes[d->length++] = byte;
    else
        d->broken = true;
}

uint8_t deframer_feed(struct deframer *d, uint8_t byte) {
    if (byte == 0)
        return close_frame(d);
    d->any = true;
    if (d->left == 0) {
        d->left = byte - 1;
    } else {
        store(d, byte);
        d->left--;
    }
    if (d->left == 0)
        store(d, 0);
    return 0;
}

uint8_t frame(uint8_t *payload, uint8_t length, uint8_t *out) {
    uint32_t crc = crc32(payload, length);
    for (uint8_t i = 0; i < 4; i++, crc >>= 8)
        payload[length++] = crc;
    uint8_t code = 0, at = 1;
    for (uint8_t i = 0; i < length; i++) {
        if (payload[i]) {
            out[at++] = payload[i];
        } else {
            out[code] = at - code;
            code = at++;
        }
    }
    out[code] = at - code;
    out[at++] = 0;
    return at;
}
