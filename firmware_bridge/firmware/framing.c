/* See framing.h. COBS: Cheshire & Baker, IEEE/ACM ToN 7(2), 1999. */
#include "framing.h"

/* Bit by bit: a table would be no faster on an 8-bit machine, and takes room. */
uint32_t crc32_add(uint32_t crc, uint8_t byte) {
    crc ^= byte;
    for (uint8_t bit = 0; bit < 8; bit++)
        crc = crc & 1 ? crc >> 1 ^ 0xedb88320UL : crc >> 1;
    return crc;
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

uint8_t frame(uint8_t *out, uint8_t length) {
    uint32_t crc = crc32(out + 1, length);
    for (uint8_t i = 0; i < 4; i++, crc >>= 8)
        out[++length] = crc;
    /* Each zero becomes the distance to the next one; the first distance stands before all. */
    uint8_t code = 0;
    for (uint8_t at = 1; at <= length; at++) {
        if (out[at] == 0) {
            out[code] = at - code;
            code = at;
        }
    }
    out[code] = length + 1 - code;
    out[length + 1] = 0;
    return length + 2;
}
