# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pictures of a screen: read from QEMU's PPM, compared, written as PNG."""

import struct
import zlib


class Picture:
    def __init__(self, width, height, rgb):
        self.width, self.height, self.rgb = width, height, rgb

    @classmethod
    def from_ppm(cls, data):
        magic, width, height, depth, rgb = _ppm_fields(data)
        if magic != b'P6' or depth != 255 or len(rgb) != width * height * 3:
            raise ValueError('not a complete 8 bit PPM picture')
        return cls(width, height, rgb)

    @property
    def pixels(self):
        return self.width * self.height

    def diff(self, other):
        """The number of pixels that differ; all of them where the sizes do."""
        if (self.width, self.height) != (other.width, other.height):
            return max(self.pixels, other.pixels)
        if self.rgb == other.rgb:
            return 0
        changed = _xor(self.rgb, other.rgb)
        any_channel = (int.from_bytes(changed[0::3], 'big') | int.from_bytes(changed[1::3], 'big')
                       | int.from_bytes(changed[2::3], 'big'))
        return self.pixels - any_channel.to_bytes(self.pixels, 'big').count(0)

    def background(self):
        """The colour of the top left pixel and how many pixels have it."""
        colour = self.rgb[:3]
        return colour, self.pixels - self.diff(Picture(self.width, self.height, colour * self.pixels))

    def is_plain(self):
        """Nothing on it but one colour and at most a text cursor."""
        return self.pixels - self.background()[1] < 200

    def save_png(self, path):
        stride = self.width * 3
        rows = b''.join(b'\0' + self.rgb[at:at + stride] for at in range(0, len(self.rgb), stride))
        header = struct.pack('>IIBBBBB', self.width, self.height, 8, 2, 0, 0, 0)
        with open(path, 'wb') as png:
            png.write(b'\x89PNG\r\n\x1a\n')
            for kind, body in ((b'IHDR', header), (b'IDAT', zlib.compress(rows, 6)), (b'IEND', b'')):
                png.write(struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body)))


def _xor(a, b):
    return (int.from_bytes(a, 'big') ^ int.from_bytes(b, 'big')).to_bytes(len(a), 'big')


def _ppm_fields(data):
    magic, width, height, depth = data[:64].split(maxsplit=4)[:4]
    header = data.index(depth, data.index(height, data.index(width) + len(width)) + len(height)) + len(depth)
    return magic, int(width), int(height), int(depth), data[header + 1:]
