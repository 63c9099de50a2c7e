// An RP2040 of rp2040js, with its UART0 on standard input and output: pico.mjs FOLDER IMAGE, the folder with node_modules.
// The boot ROM is not part of the package. What it does before the second stage is done here: 256 bytes to SRAM, and a jump.
import { readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [folder, image] = process.argv.slice(2);
const { Simulator } = createRequire(join(resolve(folder), "package.json"))("rp2040js");
const { rp2040: chip, clock } = new Simulator();
const BOOT2 = 0x41f00; // in SRAM, which begins at 0x20000000
const HZ = 133e6;
const BYTE_CYCLES = HZ / 11520; // of a byte at 115200 baud

const flash = readFileSync(image);
chip.flash.fill(0xff);
chip.flash.set(flash);
chip.sram.set(flash.subarray(0, 256), BOOT2);
chip.core.SP = 0x20000000 + BOOT2;
chip.core.PC = 0x20000000 + BOOT2;

const waiting = [];
process.stdin.on("data", (bytes) => waiting.push(...bytes));
process.stdin.on("end", () => process.exit(0));

const uart = chip.uart[0];
let sent = [];
uart.onByte = (byte) => sent.push(byte);
let next = 0;

function run() {
  let cycles = 0;
  while (cycles < 2e6) {
    if (waiting.length > 0 && cycles >= next && !uart.rxFIFO.full) {
      uart.feedByte(waiting.shift());
      next = cycles + BYTE_CYCLES;
    }
    const taken = chip.core.executeInstruction();
    cycles += taken;
    clock.tick((taken * 1e9) / HZ);
  }
  next -= cycles;
  if (sent.length > 0) {
    writeSync(1, Uint8Array.from(sent));
    sent = [];
  }
  setImmediate(run);
}
run();
