#!/usr/bin/env python3
"""slow_sink PORT SECONDS - an SMTP server on loopback that waits before each answer, for any number of sessions at once.

It offers PIPELINING, as most do; answers to commands that came together come together. Prints how many messages it has.
"""
import asyncio
import sys

PORT, PAUSE = int(sys.argv[1]), float(sys.argv[2])
ANSWERS = {b"EHLO": b"250-slow\r\n250 PIPELINING\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
count = 0


class Session(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.pending, self.in_data = transport, b"", False
        self.answer(b"220 slow\r\n")

    def answer(self, text):
        asyncio.get_running_loop().call_later(PAUSE, self.transport.write, text)

    def data_received(self, data):
        global count
        self.pending += data
        answers = b""
        while True:
            if self.in_data:
                end = self.pending.find(b"\r\n.\r\n")
                if end < 0:
                    self.pending = self.pending[-5:]
                    break
                self.pending, self.in_data = self.pending[end + 5:], False
                answers += b"250 taken\r\n"
                count += 1
                continue
            line, found, rest = self.pending.partition(b"\r\n")
            if not found:
                break
            self.pending = rest
            verb = line[:4].upper()
            answers += ANSWERS.get(verb, b"250 fine\r\n")
            if verb == b"DATA":
                self.in_data, self.pending = True, b"\r\n" + self.pending
        if answers:
            self.answer(answers)


async def report():
    last = None
    while True:
        if count != last:
            print(count, flush=True)
            last = count
        await asyncio.sleep(0.02)


async def main():
    await asyncio.get_running_loop().create_server(Session, "127.0.0.1", PORT, backlog=4096)
    await report()


asyncio.run(main())
