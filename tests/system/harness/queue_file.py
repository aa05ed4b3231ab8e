"""Queue files, read record by record."""
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Record:
    type: str
    offset: int
    data: bytes


class QueueFile:
    def __init__(self, path):
        self.path, self.bytes = Path(path), Path(path).read_bytes()
        self.records = list(self._read())

    def _read(self):
        at = 0
        while at < len(self.bytes):
            start, length, shift = at, 0, 0
            at += 1
            while True:
                length |= (self.bytes[at] & 0x7f) << shift
                shift += 7
                at += 1
                if not self.bytes[at - 1] & 0x80:
                    break
            yield Record(chr(self.bytes[start]), start, self.bytes[at:at + length])
            at += length
            if self.bytes[start] == ord("E"):
                break

    @property
    def sizes(self):
        return [int(n) for n in self.records[0].data.split()]

    def all(self, kind):
        """Texts of the envelope's records of one type, both segments."""
        inside, found = False, []
        for record in self.records:
            if record.type in "MX":
                inside = record.type == "M"
            elif record.type == kind and not inside:
                found.append(record.data.decode())
        return found

    @property
    def attributes(self):
        return dict(a.split("=", 1) for a in self.all("A"))

    @property
    def recipients(self):
        return self.all("R")

    @property
    def content(self):
        inside, text = False, []
        for record in self.records:
            if record.type in "MX":
                inside = record.type == "M"
            elif inside and record.type in "NL":
                text.append(record.data + (b"\n" if record.type == "N" else b""))
        return b"".join(text)
