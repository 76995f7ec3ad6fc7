# SPDX-License-Identifier: LGPL-2.1-or-later
"""The emulated PC as test cases and developers see it."""

import base64
import inspect
import os
import pathlib
import re
import shlex
import shutil
import time

import image
import payload
from channel import ChannelTimeout
from machine import Machine, instance_directory, PAYLOAD_SIZE, QmpError

BOOTED = 'booted'
READY = 'ready'

# A minute on an idle machine with two cores; several such PCs at a time share them.
BOOT_SECONDS = 400

CONFIG = '/etc/vfio-gpu.conf'
# There is no generator in the PC but this one.
GENERATED = '/run/systemd/generator'
GPU_MODULES = '''
    bochs qxl virtio_gpu cirrus snd_hda_intel vfio vfio_pci vfio_pci_core vfio_iommu_type1 xhci_pci
    nvidia nvidia_drm nvidia_modeset nvidia_uvm
'''.split()

# What a configuration alone makes is in it.
RUNTIME = r'''
exec 2>/dev/null
echo '# runtime'
find /run/vfio-gpu /run/systemd/{system,generator}* ! \( -path '*/system.control*' -type d \) -printf '%p %y %m %l\n'
find /run/systemd/transient /run/modprobe.d -name '*vfio*'
grep vfio-gpu /proc/mounts || :
'''

# Few processes: in emulation each costs more than what it does here.
HOST_STATE = RUNTIME + r'''
shopt -s nullglob
echo '# pci'
find /sys/bus/pci/devices/*/ -maxdepth 1 \( -name driver -o -name iommu_group \) -printf '%p %l\n'
grep -sH . /sys/bus/pci/devices/*/driver_override
echo '# modules'
for m in ''' + ' '.join(GPU_MODULES) + r'''; do [[ -d /sys/module/$m ]] && echo $m; done
echo '# nodes'
printf '%s\n' /dev/dri/* /dev/fb* /dev/nvidia* /dev/nvidia-caps/*
echo '# settings'
grep -sH . /sys/class/vtconsole/*/{name,bind} /sys/kernel/mm/hugepages/*/nr_hugepages /sys/fs/cgroup/*.slice/cpuset.cpus.effective \
        /sys/devices/system/cpu/cpufreq/*/scaling_governor /sys/bus/pci/devices/0000:0[12]:00.*/{reset_method,d3cold_allowed,power/control}
find /sys/bus/pci/devices/*/ -maxdepth 1 -name 'resource[0-9]' -printf '%p %s\n'
echo '# kernel'
dmesg | grep -E 'WARNING: |BUG: |Oops|blocked for more than'
# Before systemctl, with whose connection there is one more for a moment.
echo '# pid1'
set -- /proc/1/fd/*
echo $#
echo '# units'
systemctl list-units --state=active,failed --plain --no-legend --full
'''


class CommandFailed(AssertionError):
    pass


class ScreenTimeout(AssertionError):
    pass


class PC:
    def __init__(self, machine):
        self.machine = machine
        self.begin = None
        self.is_untouched = False
        self.reached = set()

    # --- life -------------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, profile='base', suite='bookworm', name=None, report=print):
        """A PC with the greeter on its screen and the software not yet installed; boots only if it never did."""
        built = image.build(suite, report)
        machine = Machine(built, profile, instance_directory(name or f'{profile}-{suite}-{os.getpid()}'))
        if machine.pid():
            raise RuntimeError(f'the PC {machine.directory.name} runs already')
        boot = image.CACHE / 'boots' / f'{profile}-{suite}-{machine.key(inspect.getsource(_boot_and_save))}'
        with image.lock(f'boot-{profile}-{suite}'):
            if not boot.is_dir():
                _boot_and_save(built, profile, suite, boot, report)
            machine.create_disks(boot)
        machine.start(BOOTED)
        pc = cls(machine)
        pc.machine.shell.wait_ready(120)
        return pc

    @classmethod
    def attach(cls, name):
        machine = Machine(None, None, instance_directory(name))
        machine.attach()
        return cls(machine)

    def close(self):
        self.machine.stop()
        self.machine.remove_files()

    def install(self, staging, config=None):
        """Puts the software and a configuration in and makes this the state that restore() goes back to; "begin" tells of it."""
        if config:
            self.put(CONFIG, config)
        self.update(staging)
        self.begin = self.screen(), self.host_state()
        self.machine.save(READY)

    def update(self, staging):
        payload.pack(staging, self.machine.payload, PAYLOAD_SIZE)
        self.sh('''
            blockdev --flushbufs /dev/vdb
            mkdir -p /etc/libvirt/hooks
            tar -xf /dev/vdb -C / --no-overwrite-dir
            systemctl daemon-reload
            udevadm control --reload
            udevadm trigger --settle --subsystem-match=pci
            systemctl try-restart libvirtd.service virtqemud.service
            # What libvirt starts with the first guest, and leaves running.
            systemctl start virtlogd.service
            udevadm settle''', timeout=120)

    def restore(self, snapshot=READY):
        self.machine.load(snapshot)
        self._goes_on(snapshot)

    def restart(self, snapshot=READY):
        """As restore(), in another process: where this one has ended, or has lost a device that the snapshot has."""
        self.machine.stop()
        self.machine.start(snapshot)
        self._goes_on(snapshot)

    def _goes_on(self, snapshot):
        self.machine.shell.wait_ready(120)
        self.is_untouched = snapshot == READY

    def reach(self, snapshot, lead_up):
        """To where the function leads, which is called the first time, and saved for the others."""
        if snapshot in self.reached:
            return self.restore(snapshot)
        lead_up()
        self.machine.save(snapshot)
        self.reached.add(snapshot)

    # --- commands -----------------------------------------------------------------------------------------------------

    def run(self, command, timeout=60):
        """(exit status, output)"""
        self.is_untouched = False
        return self.machine.shell.run(command, timeout)

    def sh(self, command, timeout=60):
        """The output; raises with it where the exit status is not zero."""
        status, output = self.run(command, timeout)
        if status:
            raise CommandFailed(f'exit status {status} from: {command}\n{output}')
        return output

    def beside(self, command, timeout=60):
        """As run(), through a second shell: for looking on while the first one is busy."""
        self.is_untouched = False
        return self.machine.second_shell.run(command, timeout)

    def wait_until(self, command, timeout=30, pause=0.25):
        """Repeats a shell condition inside the PC until it is true, with a pause that should be longer than what the condition
        takes from whatever is waited for."""
        self.sh(f'end=$((SECONDS + {int(timeout)})); exec {{never}}<> <(:); until {command}\n'
                f'do ((SECONDS < end)) || exit 1; read -t {pause} -u $never || :; done', timeout + 30)

    def put(self, path, text, mode=0o644):
        """Without a process that can be done without: in emulation each takes longer than it does."""
        where, parent = shlex.quote(str(path)), shlex.quote(str(pathlib.PurePosixPath(path).parent))
        write = f'printf %s {shlex.quote(text)}' if isinstance(text, str) else f'base64 -d <<<{base64.b64encode(text).decode()}'
        self.sh(f'[ -d {parent} ] || mkdir -p {parent}; {write} >{where}' + (f' && chmod {mode:o} {where}' if mode != 0o644 else ''))

    def config(self, text, units=()):
        """Writes the configuration and unit files: pairs of a path below /etc/systemd/system and a text, or a function that makes it
        of the PC, in which the configuration is in its place by then. To have the service manager read all again is a sixth of a
        case's time: it does not where it finds by itself what is new, which is not so of drop-ins for what runs."""
        units = dict(units)
        has_read = not self.is_untouched or any('.d/' in path and not path.startswith('vfio-gpu') for path in units)
        self.put(CONFIG, text)
        if units or not has_read:
            self._generate()
        for path, content in units.items():
            self.put(f'/etc/systemd/system/{path}', content(self) if callable(content) else content)
        if has_read:
            self.sh('systemctl daemon-reload')

    def _generate(self):
        """Makes units of the configuration, as the service manager does when it reads all again. Those that it has not read it looks
        for anew once a directory has changed that is not a generator's."""
        self.sh(f'''
            rm -rf {GENERATED}
            mkdir {GENERATED}
            /usr/lib/systemd/system-generators/vfio-gpu-generator {GENERATED}
            rmdir --ignore-fail-on-non-empty {GENERATED}
            touch /etc/systemd/system''')

    def qmp(self, command, **arguments):
        self.is_untouched = False
        return self.machine.qmp(command, **arguments)

    def wait_status(self, status, timeout=60):
        """Until QEMU says so of the machine: "running", "suspended", "shutdown"."""
        deadline = time.monotonic() + timeout
        while (now := self.qmp('query-status')['status']) != status:
            assert time.monotonic() < deadline, f'the machine is {now}, and not {status}'
            time.sleep(0.1)

    def journal(self, *arguments):
        return self.run('journalctl --no-pager -o short-monotonic -b ' + shlex.join(arguments))[1]

    # --- screen -------------------------------------------------------------------------------------------------------

    def screen(self, device='gpu'):
        return self.machine.screen(device)

    def wait_screen(self, wanted, max_diff=1000, timeout=60, device='gpu'):
        """Until the screen looks like a picture, or a function of the picture says yes."""
        matches = wanted if callable(wanted) else lambda picture: picture.diff(wanted) <= max_diff
        deadline = time.monotonic() + timeout
        while True:
            picture = self._screen_or_none(device)
            if picture and matches(picture):
                return picture
            if time.monotonic() > deadline:
                raise ScreenTimeout(f'the screen did not become what was waited for within {timeout} s')
            # A picture stops the emulation for a moment.
            time.sleep(0.5)

    def wait_still(self, seconds=1.5, timeout=60, device='gpu'):
        """Until something is on the screen and stays as it is."""
        last, since = None, 0

        def is_still(picture):
            nonlocal last, since
            now = time.monotonic()
            if last is None or picture.diff(last) > 0 or picture.is_plain():
                last, since = picture, now
            return now - since >= seconds

        return self.wait_screen(is_still, timeout=timeout, device=device)

    def _screen_or_none(self, device):
        try:
            return self.screen(device)
        except (QmpError, ValueError, FileNotFoundError):
            return None

    # --- the host as a whole --------------------------------------------------------------------------------------------

    def host_state(self):
        """Everything that a swap and back must leave as it was, as sorted lists of lines by topic."""
        state = self._topics(HOST_STATE)
        units = [line.split()[:3] for line in state.pop('units')]
        state['pci'] = [re.sub(' .*/', ' ', line) for line in state['pci']]
        state['failed'] = [name for name, _, active in units if active == 'failed']
        state['active'] = [name for name, _, active in units if active == 'active' and name.endswith(('.service', '.target'))]
        return {topic: sorted(lines) for topic, lines in state.items()}

    def runtime(self):
        """The part of host_state() that has this name."""
        return sorted(self._topics(RUNTIME)['runtime'])

    def _topics(self, script):
        topics, topic = {}, None
        for line in self.sh(script).splitlines():
            if line.startswith('# '):
                topic = topics.setdefault(line[2:], [])
            else:
                topic.append(line.replace('/sys/bus/pci/devices/', ''))
        return topics

    def keep_evidence(self, directory):
        """Everything that helps to understand a failure, each as far as it can still be had."""
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        # The commands may have it drawn anew.
        picture = self._screen_or_none('gpu')
        if picture:
            picture.save_png(directory / 'screen.png')
        commands = {
            'journal.txt': 'journalctl --no-pager -o short-monotonic -b',
            'dmesg.txt': 'dmesg',
            'libvirt.txt': 'tail -n 200 /var/log/libvirt/qemu/*.log',
            'state.txt': HOST_STATE + '\nsystemctl list-jobs; ps axfww',
            'units.txt': "systemctl list-units --all --no-pager 'vfio-gpu*' '*libvirt*' 'display-manager*'",
            'blocked.txt': 'for p in $(ps axo pid,stat | awk \'$2 ~ /^D/ {print $1}\'); do head -v /proc/$p/comm /proc/$p/stack; done',
        }
        for name, command in commands.items():
            try:
                text = self.beside(command, 20)[1]
            except (ChannelTimeout, OSError) as error:
                text = f'not available: {error}\n'
            (directory / name).write_text(text)
        for name in ('transcript', 'serial.log', 'qemu.err', 'qemu.log'):
            if (self.machine.directory / name).exists():
                shutil.copy(self.machine.directory / name, directory / name)


def _boot_and_save(built, profile, suite, boot, report):
    """The machine's directory is renamed when the saved boot is complete, so that half of one is never used."""
    report(f'booting the {profile} PC for the first time')
    started = time.monotonic()
    for other in boot.parent.glob(f'{profile}-{suite}-*'):
        shutil.rmtree(other)
    scratch = boot.with_name(f'{boot.name}.tmp{os.getpid()}')
    machine = Machine(built, profile, scratch)
    try:
        machine.create_disks()
        machine.start()
        pc = PC(machine)
        try:
            machine.shell.wait_ready(BOOT_SECONDS)
            machine.second_shell.wait_ready(120)
            pc.wait_until('pgrep -f /usr/sbin/lightdm-gtk-greeter >/dev/null', BOOT_SECONDS, pause=1)
            pc.run('systemctl is-system-running --wait; udevadm settle', BOOT_SECONDS)
            pc.wait_still(timeout=BOOT_SECONDS).save_png(scratch / 'greeter.png')
            # libvirt asks QEMU for its abilities once, which takes long, and keeps the answer on disk.
            pc.run('virsh domcapabilities --virttype qemu', BOOT_SECONDS)
            report(f'greeter after {time.monotonic() - started:.0f} s')
            machine.save(BOOTED)
        except BaseException:
            pc.keep_evidence(image.CACHE / 'artifacts' / f'boot-{profile}-{suite}')
            raise
        finally:
            machine.stop()
        scratch.rename(boot)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
