// A PLC on the npm package modbus-serial: `plc.js PORT PARTS MAP_JSON`. It plays the handshake with single coils, masks
// and words where the PLC in C uses one exchange, and reads results from holding and from input registers in turn.
// Prints one line of JSON: the results as they were read.
"use strict";
const fs = require("fs");
const ModbusRTU = require("modbus-serial");

const [port, parts] = [Number(process.argv[2]), Number(process.argv[3])];
const map = JSON.parse(fs.readFileSync(process.argv[4], "utf8"));
const bit = (flag) => Math.log2(flag);

async function main() {
    const line = new ModbusRTU();
    await line.connectTCP("127.0.0.1", { port });
    line.setID(1);
    line.setTimeout(5000);
    let beat = 0;
    const control = (name, on) => line.writeCoil(bit(map.control[name]), on);
    const word = (block, name) => block[map.address[name] - 100];
    const word32 = (block, name) => word(block, name) * 65536 + block[map.address[name] + 1 - 100];
    let laps = 0;
    async function read() {
        beat = (beat + 1) % 65536;
        await line.writeRegister(map.address.plc_heartbeat, beat);
        const table = laps++ % 2 ? "readInputRegisters" : "readHoldingRegisters";
        return (await line[table](100, map.words)).data;
    }
    async function until(name, on) {
        for (;;) {
            const block = await read();
            if (Boolean(word(block, "status") & map.status[name]) === on) return block;
        }
    }

    await line.writeRegisters(0, [map.control.TRIGGER_ENABLE | map.control.LINE_RUNNING, 1, 0, 0, 0, 0, 0, 0, 2000, 1]);
    await control("FAULT_RESET", true);
    await control("FAULT_RESET", false);
    const results = [];
    for (let part = 1; part <= parts; part++) {
        await until("TRIGGER_READY", true);
        await line.writeRegisters(map.address.trigger_part_id, [0, part]);
        await line.maskWriteRegister(0, 0xffff & ~map.control.TRIGGER, map.control.TRIGGER);
        await until("TRIGGER_ACK", true);
        await line.maskWriteRegister(0, 0xffff & ~map.control.TRIGGER, 0);
        const block = await until("RESULTS_VALID", true);
        const status = (await line.readDiscreteInputs(0, 16)).data.reduce((sum, on, place) => sum + (on ? 2 ** place : 0), 0);
        results.push({
            part: word32(block, "result_part_id"),
            verdict: word(block, "verdict"),
            score: word(block, "score"),
            part_x: word32(block, "part_x"),
            inspection_id: word(block, "inspection_id"),
            valid: Boolean(status & map.status.RESULTS_VALID),
        });
        await control("RESULTS_ACK", true);
        await until("RESULTS_VALID", false);
        await control("RESULTS_ACK", false);
    }
    let refused = 0;
    await line.readHoldingRegisters(50, 2).catch((why) => (refused = why.modbusCode));
    console.log(JSON.stringify({ results, refused }));
    line.close(() => {});
}

main().catch((why) => {
    console.error(why);
    process.exit(1);
});
