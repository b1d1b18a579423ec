// The reject controller's binary in avr8js: replays what was done to it in simavr, and prints what it does.
//
// node replay.mjs script.json: {hex, encoder: [cycle, cycles a count], deeds: [[cycle, what, number, level], ...], end}
// Cycles count from the one in which the firmware starts timer 1. Prints JSON: {edges: [[cycle, levels of port C], ...],
// sent: [byte, ...], dropped: bytes that came while two waited}.

import { readFileSync } from 'node:fs'
import {
  AVREEPROM, AVRIOPort, AVRTimer, AVRUSART, CPU, EEPROMMemoryBackend, avrInstruction, portBConfig, portCConfig,
  portDConfig, timer0Config, timer1Config, usart0Config,
} from 'avr8js'

const TCCR1B = 0x81, TCNT1 = 0x84, ICR1 = 0x86, TIMSK1 = 0x6f, TIFR1 = 0x36, UCSR0B = 0xc1, UDR0 = 0xc6
const HZ = 16e6, OUTPUTS = 0x3f

const script = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const cpu = new CPU(program(script.hex), 2048)
const ports = { B: new AVRIOPort(cpu, portBConfig), C: new AVRIOPort(cpu, portCConfig), D: new AVRIOPort(cpu, portDConfig) }
new AVRTimer(cpu, timer0Config)
new AVRTimer(cpu, timer1Config)
new AVREEPROM(cpu, new EEPROMMemoryBackend(1024))
const serial = new AVRUSART(cpu, usart0Config, HZ)
// simavr 1.6 sends 11 bits for a byte: with the same here, the interrupts of the serial line come at the same times.
Object.defineProperty(serial, 'parityEnabled', { get: () => true })
const sent = [], received = []
let dropped = 0
serial.onByteTransmit = (byte) => sent.push(byte)
const captured = capture()
keepPrescaler()
keepReceived()

function program(text) {
  const bytes = new Uint8Array(32768)
  for (const line of text.split('\n')) {
    if (!line.startsWith(':') || line.slice(7, 9) !== '00') continue
    const length = parseInt(line.slice(1, 3), 16), at = parseInt(line.slice(3, 7), 16)
    for (let i = 0; i < length; i++) bytes[at + i] = parseInt(line.slice(9 + 2 * i, 11 + 2 * i), 16)
  }
  return new Uint16Array(bytes.buffer)
}

// avr8js has no input capture: an edge of PB0 in the chosen direction latches timer 1.
function capture() {
  const flag = { address: 0x14, flagRegister: TIFR1, flagMask: 0x20, enableRegister: TIMSK1, enableMask: 0x20 }
  const before = cpu.writeHooks[TIMSK1]
  cpu.writeHooks[TIMSK1] = (value, ...rest) => {
    cpu.updateInterruptEnable(flag, value)
    return before(value, ...rest)
  }
  return (level) => {
    if (level !== (cpu.data[TCCR1B] >> 6 & 1)) return
    const half = cpu.data[TCNT1 + 1] // the firmware may be between the two halves of a reading of its own
    cpu.data[ICR1] = cpu.readData(TCNT1)
    cpu.data[ICR1 + 1] = cpu.data[TCNT1 + 1]
    cpu.data[TCNT1 + 1] = half
    cpu.setInterruptFlag(flag)
  }
}

// avr8js starts its prescaler anew with every write to TCCR1B, also one that only turns the capture's direction round.
function keepPrescaler() {
  const before = cpu.writeHooks[TCCR1B]
  cpu.writeHooks[TCCR1B] = (value, old, ...rest) => {
    if ((value ^ old) & 0x1f) return before(value, old, ...rest)
    cpu.data[TCCR1B] = value
    return true
  }
}

// The chip keeps two received bytes, and drops the third; avr8js keeps one. It also forgets that a byte waits when UCSR0B
// is written, as it is whenever the firmware begins to send.
function receive(byte) {
  if (received.length === 2) dropped++
  else received.push(byte)
  cpu.setInterruptFlag(serial.RXC)
}

function keepReceived() {
  cpu.readHooks[UDR0] = () => {
    const byte = received.shift() ?? 0
    if (!received.length) cpu.clearInterrupt(serial.RXC)
    return byte
  }
  const before = cpu.writeHooks[UCSR0B]
  cpu.writeHooks[UCSR0B] = (...written) => {
    const done = before(...written)
    if (received.length) cpu.setInterruptFlag(serial.RXC)
    return done
  }
}

function drive(port, number, level) {
  ports[port].setPin(number, Boolean(level))
  if (port === 'B' && number === 0) captured(level)
}

for (let pin = 0; pin < 4; pin++) {
  ports.B.setPin(pin, false)
  ports.D.setPin(pin, false)
}
while (!(cpu.data[TCCR1B] & 7)) {
  avrInstruction(cpu)
  cpu.tick()
}
const zero = cpu.cycles
const edges = []
let outputs = 0
ports.C.addListener((value) => {
  if ((value & OUTPUTS) === outputs) return
  outputs = value & OUTPUTS
  edges.push([cpu.cycles - zero, outputs])
})

// The encoder as the harness of simavr turns it: half a count a step, A leads B.
const [start, perCount] = script.encoder
let phase = 0, step = perCount ? zero + start + perCount / 2 : Infinity, at = 0
function stimulate() {
  while (at < script.deeds.length && zero + script.deeds[at][0] <= cpu.cycles) {
    const [, what, number, level] = script.deeds[at++]
    if (what === 'R') receive(level)
    else drive(what, number, level)
  }
  while (step <= cpu.cycles) {
    phase = (phase + 1) & 3
    if (phase & 1) drive('D', 2, phase === 1)
    else drive('D', 3, phase === 2)
    step += perCount / 2
  }
  return Math.min(step, at < script.deeds.length ? zero + script.deeds[at][0] : Infinity)
}

let due = 0
while (cpu.cycles < zero + script.end) {
  if (cpu.cycles >= due) due = stimulate()
  avrInstruction(cpu)
  cpu.tick()
}
process.stdout.write(JSON.stringify({ edges, sent, dropped }))
