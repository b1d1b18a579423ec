/* The real binary in simavr, in lock-step: virtual time, pins and serial line driven from outside, every output edge
 * stamped with the CPU cycle. Built on the user's machine against libsimavr (GPL); source only, never shipped built.
 *
 * One controller for each handle. Cycles are counted over all resets. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <simavr/avr_eeprom.h>
#include <simavr/avr_extint.h>
#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_cycle_timers.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_irq.h>

#define HZ 16000000UL
#define BYTE_CYCLES 352 /* 11 bits at 500 kbaud: simavr 1.6 hands bytes on no faster, and loses what it cannot keep */
#define MANY 65536

struct stamped {
    uint64_t cycle;
    uint32_t value;
};

struct input {
    uint64_t cycle;
    uint8_t port, pin, level;
};

/* What was done to the pins and the serial line, at the cycle it was due: 'B' and 'D' a pin, 'R' a byte received. */
struct stimulus {
    uint64_t cycle;
    uint8_t what, number, level;
};

struct sim {
    avr_t *avr;
    elf_firmware_t firmware;
    uint64_t next_byte;
    uint8_t rx[MANY];
    uint32_t rx_head, rx_tail;
    struct stamped tx[MANY], out[MANY];
    uint32_t tx_count, out_count;
    struct stimulus done[MANY];
    uint32_t done_count;
    struct input inputs[MANY];
    uint32_t in_head, in_tail;
    uint64_t encoder_at;
    uint32_t encoder_cycles;
    uint8_t encoder_phase, encoder_back;
    uint8_t outputs;
    bool stop;
    uint8_t levels[4]; /* ports B and D as driven from outside */
};

/* Virtual time needs no waiting. The sleeping core jumps to its next timer: `awake` makes sure that it does not jump
 * over a stimulus. It comes again in the next cycle, for a core that falls asleep just then would jump from here. */
static void on_sleep(avr_t *avr, avr_cycle_count_t how_long) {
    (void)avr;
    (void)how_long;
}

static avr_cycle_count_t awake(avr_t *avr, avr_cycle_count_t when, void *param) {
    (void)avr;
    (void)param;
    return when + 1;
}

/* Standard output belongs to whoever loaded this library. */
static void on_log(avr_t *avr, const int level, const char *format, va_list values) {
    (void)avr;
    if (level <= LOG_ERROR)
        vfprintf(stderr, format, values);
}

static void on_tx(avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq;
    struct sim *sim = param;
    if (sim->tx_count < MANY)
        sim->tx[sim->tx_count++] = (struct stamped){sim->avr->cycle, value};
}

static void on_out(avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq;
    struct sim *sim = param;
    uint8_t outputs = value & 0x3f;
    if (outputs == sim->outputs)
        return;
    sim->outputs = outputs;
    sim->stop = true;
    if (sim->out_count < MANY)
        sim->out[sim->out_count++] = (struct stamped){sim->avr->cycle, outputs};
}

static void note(struct sim *sim, uint64_t cycle, uint8_t what, uint8_t number, uint8_t level) {
    if (sim->done_count < MANY)
        sim->done[sim->done_count++] = (struct stimulus){cycle, what, number, level};
}

static void pin(struct sim *sim, uint8_t port, uint8_t number, uint8_t level) {
    uint8_t *levels = &sim->levels[port - 'A'], bit = 1 << number;
    *levels = level ? *levels | bit : *levels & ~bit;
    /* Without this a pull-up that the firmware switches on would win over what is wired. */
    avr_ioport_external_t wired = {.name = port, .mask = 0x0f, .value = *levels};
    avr_ioctl(sim->avr, AVR_IOCTL_IOPORT_SET_EXTERNAL(port), &wired);
    avr_raise_irq(avr_io_getirq(sim->avr, AVR_IOCTL_IOPORT_GETIRQ(port), number), level);
}

static void connect(struct sim *sim) {
    avr_t *avr = sim->avr;
    uint32_t flags = 0;
    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
    flags &= ~(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    /* simavr polls a low pin of a level interrupt in every cycle, even one that is not enabled: 20 times slower. */
    avr_extint_set_strict_lvl_trig(avr, EXTINT_IRQ_OUT_INT0, 0);
    avr_extint_set_strict_lvl_trig(avr, EXTINT_IRQ_OUT_INT1, 0);
}

static void drive_all(struct sim *sim) {
    for (uint8_t number = 0; number < 4; number++) {
        pin(sim, 'B', number, sim->levels[1] >> number & 1);
        pin(sim, 'D', number, sim->levels[3] >> number & 1);
    }
}

struct sim *sim_open(const char *path) {
    struct sim *sim = calloc(1, sizeof *sim);
    avr_global_logger_set(on_log);
    sim->avr = avr_make_mcu_by_name("atmega328p");
    if (!sim->avr || elf_read_firmware(path, &sim->firmware)) {
        free(sim);
        return 0;
    }
    avr_init(sim->avr);
    sim->avr->log = LOG_ERROR;
    avr_load_firmware(sim->avr, &sim->firmware);
    sim->avr->frequency = HZ;
    sim->avr->sleep = on_sleep;
    connect(sim);
    avr_irq_register_notify(avr_io_getirq(sim->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_tx, sim);
    avr_irq_register_notify(avr_io_getirq(sim->avr, AVR_IOCTL_IOPORT_GETIRQ('C'), IOPORT_IRQ_PIN_ALL), on_out, sim);
    drive_all(sim);
    return sim;
}

void sim_close(struct sim *sim) {
    avr_terminate(sim->avr);
    free(sim->avr);
    free(sim);
}

/* The reset pin: registers fall to their defaults, RAM and EEPROM stay. */
void sim_reset(struct sim *sim, uint8_t cause) {
    uint64_t cycle = sim->avr->cycle;
    avr_reset(sim->avr);
    sim->avr->cycle = cycle;
    sim->avr->data[0x54] = cause; /* MCUSR */
    sim->rx_head = sim->rx_tail = 0;
    connect(sim);
    if (sim->outputs) {
        sim->outputs = 0;
        if (sim->out_count < MANY)
            sim->out[sim->out_count++] = (struct stamped){cycle, 0};
    }
    drive_all(sim);
}

void sim_pin(struct sim *sim, uint64_t cycle, uint8_t port, uint8_t number, uint8_t level) {
    uint32_t at = sim->in_head++;
    for (; at != sim->in_tail && sim->inputs[(at - 1) % MANY].cycle > cycle; at--)
        sim->inputs[at % MANY] = sim->inputs[(at - 1) % MANY];
    sim->inputs[at % MANY] = (struct input){cycle, port, number, level};
}

/* What was to be done to the pins after now is not done. */
void sim_cancel(struct sim *sim) { sim->in_tail = sim->in_head; }

/* Both edges of A are counted: one count each `cycles`, B half a count apart from A. 0: the belt stands. */
void sim_encoder(struct sim *sim, uint32_t cycles, uint8_t back) {
    sim->encoder_cycles = cycles;
    sim->encoder_back = back;
    sim->encoder_at = sim->avr->cycle + cycles / 2;
}

void sim_write(struct sim *sim, const uint8_t *bytes, uint32_t length) {
    if (sim->rx_head == sim->rx_tail)
        sim->next_byte = sim->avr->cycle + BYTE_CYCLES;
    for (uint32_t i = 0; i < length; i++)
        sim->rx[sim->rx_head++ % MANY] = bytes[i];
}

static void step_encoder(struct sim *sim) {
    /* Gray code 00 10 11 01 of (A, B) forwards: A leads. */
    sim->encoder_phase = (sim->encoder_phase + (sim->encoder_back ? 3 : 1)) & 3;
    uint8_t a = sim->encoder_phase == 1 || sim->encoder_phase == 2, b = sim->encoder_phase >= 2;
    if (a != (sim->levels[3] >> 2 & 1))
        pin(sim, 'D', 2, a);
    if (b != (sim->levels[3] >> 3 & 1))
        pin(sim, 'D', 3, b);
    sim->encoder_at += sim->encoder_cycles / 2;
}

/* Stimuli that are due now; returns when the next one is. */
static uint64_t stimulate(struct sim *sim, uint64_t until) {
    uint64_t now = sim->avr->cycle;
    while (sim->in_tail != sim->in_head && sim->inputs[sim->in_tail % MANY].cycle <= now) {
        struct input *in = &sim->inputs[sim->in_tail++ % MANY];
        pin(sim, in->port, in->pin, in->level);
        note(sim, in->cycle, in->port, in->pin, in->level);
    }
    if (sim->encoder_cycles && sim->encoder_at <= now)
        step_encoder(sim);
    if (sim->rx_tail != sim->rx_head && sim->next_byte <= now) {
        uint8_t byte = sim->rx[sim->rx_tail++ % MANY];
        avr_raise_irq(avr_io_getirq(sim->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT), byte);
        note(sim, sim->next_byte, 'R', 0, byte);
        sim->next_byte += BYTE_CYCLES;
    }
    if (sim->in_tail != sim->in_head && sim->inputs[sim->in_tail % MANY].cycle < until)
        until = sim->inputs[sim->in_tail % MANY].cycle;
    if (sim->encoder_cycles && sim->encoder_at < until)
        until = sim->encoder_at;
    if (sim->rx_tail != sim->rx_head && sim->next_byte < until)
        until = sim->next_byte;
    return until;
}

/* Run to a cycle; with `watch`, return as soon as an output has moved. */
uint64_t sim_run(struct sim *sim, uint64_t until, uint8_t watch) {
    avr_t *avr = sim->avr;
    sim->stop = false;
    while (avr->cycle < until && !(watch && sim->stop)) {
        uint64_t slice = stimulate(sim, until);
        avr_cycle_timer_cancel(avr, awake, sim);
        avr_cycle_timer_register(avr, slice > avr->cycle ? slice - avr->cycle : 1, awake, sim);
        while (avr->cycle < slice && !(watch && sim->stop))
            if (avr_run(avr) == cpu_Crashed)
                return 0;
    }
    return avr->cycle;
}

/* Run until a register or variable has one of the bits of `mask`; no stimuli meanwhile. */
uint64_t sim_until(struct sim *sim, uint16_t address, uint8_t mask, uint64_t limit) {
    while (!(sim->avr->data[address] & mask) && sim->avr->cycle < limit)
        if (avr_run(sim->avr) == cpu_Crashed)
            return 0;
    return sim->avr->cycle;
}

uint64_t sim_cycle(struct sim *sim) { return sim->avr->cycle; }

uint32_t sim_outputs(struct sim *sim, struct stamped *taken) {
    uint32_t count = sim->out_count;
    memcpy(taken, sim->out, count * sizeof *taken);
    sim->out_count = 0;
    return count;
}

uint32_t sim_sent(struct sim *sim, struct stamped *taken) {
    uint32_t count = sim->tx_count;
    memcpy(taken, sim->tx, count * sizeof *taken);
    sim->tx_count = 0;
    return count;
}

uint32_t sim_stimuli(struct sim *sim, struct stimulus *taken) {
    uint32_t count = sim->done_count;
    memcpy(taken, sim->done, count * sizeof *taken);
    sim->done_count = 0;
    return count;
}

void sim_eeprom(struct sim *sim, uint16_t address, uint8_t *bytes, uint16_t length) {
    avr_eeprom_desc_t place = {.ee = bytes, .offset = address, .size = length};
    avr_ioctl(sim->avr, AVR_IOCTL_EEPROM_SET, &place);
}

void sim_peek(struct sim *sim, uint16_t address, uint8_t *bytes, uint16_t length) {
    memcpy(bytes, sim->avr->data + address, length);
}

void sim_poke(struct sim *sim, uint16_t address, const uint8_t *bytes, uint16_t length) {
    memcpy(sim->avr->data + address, bytes, length);
}

/* Its flash, written by a programmer, and where it begins after every reset: a bootloader may be there. */
void sim_program(struct sim *sim, uint32_t address, const uint8_t *bytes, uint32_t length, uint32_t begin) {
    memcpy(sim->avr->flash + address, bytes, length);
    sim->avr->codeend = sim->avr->flashend;
    sim->avr->reset_pc = begin;
}

void sim_flash(struct sim *sim, uint32_t address, uint8_t *bytes, uint32_t length) {
    memcpy(bytes, sim->avr->flash + address, length);
}
