# SPDX-License-Identifier: LGPL-2.1-or-later
"""A root shell in the emulated PC over a virtio-serial port (the other end: guest/vm-channel)."""

import socket
import time


class ChannelTimeout(Exception):
    pass


class Channel:
    def __init__(self, path, transcript=None):
        self._path = path
        self._socket = None
        self._buffer = b''
        # Unique over reconnections: an answer to somebody else's request may still be on its way.
        self._next_id = time.time_ns()
        self.transcript = transcript

    def close(self):
        if self._socket:
            self._socket.close()
        self._socket, self._buffer = None, b''

    def wait_ready(self, timeout):
        """Asks until the shell answers; a request sent before it has opened its port is lost."""
        deadline, patience = time.monotonic() + timeout, 1
        while True:
            try:
                return self.run(':', timeout=patience)
            except ChannelTimeout:
                if time.monotonic() > deadline:
                    raise
            # On a machine that is busy with other things an answer can take longer than that.
            patience *= 2

    def run(self, script, timeout=60):
        """Returns (exit status, output) of a bash script."""
        if not self._socket:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.connect(str(self._path))
        started = time.monotonic()
        self._next_id += 1
        body = script.encode()
        self._socket.settimeout(timeout)
        try:
            self._socket.sendall(b'%d %d\n%s' % (self._next_id, len(body), body))
            status, output = self._answer(self._next_id, started + timeout)
        except (TimeoutError, ChannelTimeout):
            self._note(started, script, 'no answer', '')
            raise ChannelTimeout(f'no answer within {timeout} s from: {script}') from None
        text = output.decode(errors='replace')
        self._note(started, script, f'status {status}', text)
        return status, text

    def _answer(self, wanted, deadline):
        while True:
            answer_id, status, length = self._line(deadline)
            output = self._exactly(length, deadline)
            if answer_id == wanted:
                return status, output

    def _line(self, deadline):
        while True:
            line, newline, rest = self._buffer.partition(b'\n')
            if newline:
                self._buffer = rest
                fields = line.split()
                if len(fields) == 3 and all(field.isdigit() for field in fields):
                    return tuple(int(field) for field in fields)
            else:
                self._receive(deadline)

    def _exactly(self, length, deadline):
        while len(self._buffer) < length:
            self._receive(deadline)
        output, self._buffer = self._buffer[:length], self._buffer[length:]
        return output

    def _receive(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise ChannelTimeout
        self._socket.settimeout(left)
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError('the emulated PC is gone')
        self._buffer += data

    def _note(self, started, script, result, output):
        if self.transcript:
            self.transcript.write(f'[{time.monotonic() - started:.2f} s, {result}] {script}\n{output}\n')
            self.transcript.flush()
