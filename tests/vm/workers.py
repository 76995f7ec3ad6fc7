# SPDX-License-Identifier: LGPL-2.1-or-later
"""Emulated PCs, each with a process of its own, that share cases: pairs of a name and a function that is given a freshly restored
PC, which raises where something is wrong. A case may name another "profile" of the PC, more "seconds" than most need, and the "round"
in which it is begun. There may be no time for other rounds than the first."""

import contextlib
import math
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import sys
import time
import traceback

import image
import payload
from host import ONE_VM
from pc import PC
from table import FOUND

# A machine that stands still must not hold up the cases after it; none comes near this otherwise.
CASE_SECONDS = 600

JOBS = min(2, os.cpu_count())

DEFAULT_PROFILE = 'base'


def profile_of(function):
    return getattr(function, 'profile', DEFAULT_PROFILE)


def round_of(function):
    return getattr(function, 'round', 0)


def give_up(_signal, _frame):
    raise TimeoutError('the case took longer than it may')


@contextlib.contextmanager
def time_limit(function=None):
    signal.alarm(getattr(function, 'seconds', CASE_SECONDS))
    try:
        yield
    finally:
        signal.alarm(0)


def run_case(pc, name, function, artifacts):
    """Returns whether it passed, with what is to be said about it."""
    started = time.monotonic()
    try:
        with time_limit(function):
            function(pc)
        return True, f'{time.monotonic() - started:.1f} s'
    except Exception:
        directory = artifacts / name.replace(':', '-')
        shutil.rmtree(directory, ignore_errors=True)
        told = traceback.format_exc()
        try:
            pc.keep_evidence(directory)
        except Exception as error:
            told += f'no evidence: {error}\n'
        return False, f'{time.monotonic() - started:.1f} s, evidence in {directory}\n{told}'


def comment(text):
    for line in text.splitlines():
        print(f'# {line}', flush=True)


class Worker:
    """A process with a PC of its own, which asks for one case after the other."""

    def __init__(self, suite, staging, cases, artifacts):
        self.suite, self.staging, self.cases, self.artifacts = suite, staging, cases, artifacts
        self.profile = self.case = None
        # Of each profile that was asked for, None where there is none to be had; that of the profile now asked for runs.
        self.pcs = {}
        self.pipe, self.inner = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self.work, daemon=True)
        self.process.start()
        self.inner.close()

    # --- in the process -----------------------------------------------------------------------------------------------

    def tell(self, what, *details):
        self.inner.send((what, *details))

    def comment(self, text):
        self.tell('comment', text)

    def work(self):
        signal.signal(signal.SIGALRM, give_up)
        # What the process that this one is a copy of knows, it goes on to know.
        FOUND.take()
        try:
            while (index := self.inner.recv()) is not None:
                name, function = self.cases[index]
                pc = self.prepare(profile_of(function))
                if pc:
                    self.tell('result', *run_case(pc, name, function, self.artifacts), FOUND.take())
                else:
                    self.tell('result', False, f'the {profile_of(function)} PC did not come up', {})
            self.tell('end')
        finally:
            # Once is enough, and a second one would leave the machine behind.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.close()

    def close(self):
        for pc in filter(None, self.pcs.values()):
            pc.close()

    def prepare(self, profile):
        """The PC as it was at first, or None."""
        if profile != self.profile and self.pcs.get(self.profile):
            self.pcs[self.profile].machine.stop()
        self.profile = profile
        if profile not in self.pcs or self.pcs[profile] and not self.goes_back(self.pcs[profile]):
            self.pcs[profile] = self.open(profile)
        return self.pcs[profile]

    def goes_back(self, pc):
        """Returns whether it is what it was at first. A machine that a case has ended, or left without one of its devices, needs
        another process for that."""
        for way in (pc.restore, pc.restart) if pc.machine.pid() else (pc.restart,):
            try:
                with time_limit():
                    way()
                return True
            except Exception as error:
                self.comment(f'this {pc.machine.profile} PC cannot go back, and is started anew: {error}')
        pc.close()
        return False

    def open(self, profile):
        """A machine that does not come up fails all cases that need it."""
        pc = None
        try:
            pc = PC.open(profile, self.suite, report=self.comment)
            pc.install(self.staging, ONE_VM)
            pc.restore()
            return pc
        except Exception:
            self.comment(traceback.format_exc())
            if pc:
                pc.close()
            return None


class Run:
    """The cases that are left, and what became of the others."""

    def __init__(self, cases, until):
        self.cases, self.left, self.until = cases, list(range(len(cases))), until
        self.workers, self.not_begun = [], []
        self.done = self.failed = 0

    def of_this_round(self):
        """Those left that are to be begun next. No other round than the first is begun, or gone on with, late."""
        number = min((round_of(self.cases[index][1]) for index in self.left), default=0)
        if number > 0 and time.time() > self.until:
            self.not_begun, self.left = self.left, []
        return [index for index in self.left if round_of(self.cases[index][1]) == number]

    def take(self, profile, others):
        """A case for the machine that is there, otherwise one of those that most are left for, if possible for another machine than
        those that others have: who wants the same one has to wait until it is booted. None for none."""
        left = self.of_this_round()
        if not left:
            return None
        profiles = [profile_of(self.cases[index][1]) for index in left]
        if profile not in profiles:
            profile = max([profile for profile in profiles if profile not in others] or profiles, key=profiles.count)
        index = left[profiles.index(profile)]
        self.left.remove(index)
        return index

    def report(self, index, passed, told):
        name, function = self.cases[index]
        self.done += 1
        self.failed += not passed
        print(f'{"ok" if passed else "not ok"} {self.done} - {name}: {function.__doc__}', flush=True)
        comment(told)

    def hand_out(self, worker):
        worker.case = self.take(worker.profile, [other.profile for other in self.workers if other is not worker])
        if worker.case is not None:
            worker.profile = profile_of(self.cases[worker.case][1])
        worker.pipe.send(worker.case)

    def answer(self, worker, sample):
        """Returns whether the worker goes on."""
        try:
            what, *details = worker.pipe.recv()
        except EOFError:
            if worker.case is not None:
                self.report(worker.case, False, 'the process that ran it is gone')
            return False
        if what == 'comment':
            comment(*details)
        elif what == 'result':
            passed, told, verdicts = details
            sample.merge(verdicts)
            self.report(worker.case, passed, told)
            self.hand_out(worker)
        else:
            worker.case = None
        return True

    def run(self, workers, sample):
        self.workers = workers
        for worker in workers:
            self.hand_out(worker)
        while workers:
            for pipe in multiprocessing.connection.wait([worker.pipe for worker in workers]):
                worker = next(w for w in workers if w.pipe is pipe)
                if not self.answer(worker, sample):
                    workers.remove(worker)
        for index in self.left:
            self.report(index, False, 'no process was left to run it')


def run_cases(cases, suite='bookworm', jobs=JOBS, until=math.inf):
    """Prints TAP and then the table, if it has something; "until" when rounds after the first are gone on with, in seconds since the
    epoch. Returns whether all have passed."""
    # Ends the processes, too, and these their machines.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    staging = payload.build(comment)
    run = Run(cases, until)
    try:
        run.run([Worker(suite, staging, cases, image.CACHE / 'artifacts') for _ in range(max(1, min(jobs, len(cases))))],
                FOUND)
    finally:
        # Also when it is ended early.
        if FOUND.verdicts:
            comment(FOUND.text())
    if run.not_begun:
        names = ' '.join(cases[index][0] for index in run.not_begun)
        comment(f'{len(run.not_begun)} of {len(cases)} cases were not begun, since there was no time: {names}')
    print(f'1..{run.done}', flush=True)
    return bool(cases) and run.failed == 0
