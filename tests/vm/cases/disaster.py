# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens to the machine around a swap."""

from channel import ChannelTimeout
from fault import BUS
from host import AUDIO, demand, drivers, drop_in, entry, GPU, greeter_pid, Host, step, story, VM
from pinned import remove_package
from states import boots_normally, NORMAL

# Leaves as much as a few programs need.
HOG = """
    mount -t tmpfs -o size=100% hog /mnt
    fallocate -l $(awk '/^MemAvailable/ { print $2 - 50000 }' /proc/meminfo)K /mnt/hog"""

# Takes the bus from the service manager, which comes back to it without knowing whom to tell of its jobs.
CUT = r'''
my $pid = syscall(434, 1, 0);
for my $link (glob "/proc/1/fd/*") {
    next unless (readlink $link // "") =~ /^socket:/ and $link =~ /(\d+)$/;
    my $fd = syscall(438, $pid, $1 + 0, 0);
    open my $socket, "+<&=", $fd or next;
    my $peer = getpeername $socket or next;
    shutdown $socket, 2 if $peer =~ m{/dbus/system_bus_socket};
}
'''

FILL = 'head -c 4G /dev/zero >/run/fill 2>/dev/null; [ "$(df --output=avail /run | tail -n 1)" -eq 0 ]'


def case_vfio_cannot_be_loaded(pc):
    """Where vfio-pci cannot be loaded after all, the journal says so and the desktop comes back."""
    host = Host(pc)
    pc.put('/etc/modprobe.d/case.conf', 'install vfio_pci /bin/false\n')
    demand(host.start_fails(), 'cannot load vfio-pci', f'{step("modules")} failed')
    host.is_back(failed=[step('modules'), entry(VM)])


def case_run_is_full_before(pc):
    """Without room for the records of the way back there is no way there: nothing is changed."""
    host = Host(pc)
    pid = greeter_pid(pc)
    pc.sh(FILL)
    assert pc.run(f"systemctl start '{entry(VM)}'")[0] == 1
    pc.sh('rm /run/fill')
    # The journal has no room for its indexes either, so that it cannot be asked for the VM.
    told = pc.journal()
    demand(told, f'/run/vfio-gpu/{VM}: No space left on device; nothing was changed')
    assert 'the host has its GPU back' not in told, told
    assert greeter_pid(pc) == pid
    host.is_as_before(failed=[entry(VM)])


def case_run_is_full_during(pc):
    """The way back needs no room."""
    host = Host(pc)
    host.start()
    pc.sh(FILL)
    host.stop()
    pc.sh('rm /run/fill')
    host.is_back()


def case_logind_is_killed(pc):
    """The way back does not depend on the logind that saw the way there."""
    host = Host(pc)
    host.start()
    pc.sh('systemctl kill --signal=KILL systemd-logind.service')
    pc.wait_until('systemctl -q is-active systemd-logind.service')
    host.stop()
    host.is_back()


def case_reboot(pc):
    """A reboot while a VM has the GPU undoes nothing on the way down, also if the package is gone, and ends with a desktop."""
    host = Host(pc, units=[drop_in(step('bind'), 'ExecStopPost=/usr/bin/touch /var/lib/undone')])
    host.start()
    remove_package(pc)
    pc.sh('systemctl daemon-reload')
    try:
        pc.run('systemctl reboot', 20)
    except ChannelTimeout:
        pass  # The shell may be gone before it answers.
    pc.wait_screen(lambda picture: picture.diff(host.picture) > 1000, timeout=60)
    boots_normally(pc, host.picture)
    assert pc.run('ls /var/lib/undone')[0] != 0


def case_modules_are_gone(pc):
    """After an upgrade of the kernel, before the reboot, a swap that needs no module is made."""
    pc.sh('modprobe vfio-pci; mv /lib/modules/$(uname -r) /lib/modules/away')
    host = Host(pc)
    host.start()
    host.handed_over(picture=False)
    host.stop()
    host.is_as_before()


def case_gpu_vanishes(pc):
    """A GPU that is gone from the bus does not keep the way back from ending."""
    host = Host(pc)
    host.start()
    pc.sh(f'for f in {GPU} {AUDIO}; do echo 1 >/sys/bus/pci/devices/$f/remove; done')
    host.stop()
    demand(story(pc), f'{GPU} is gone from the bus', 'the host has its GPU back')
    pc.sh('echo 1 >/sys/bus/pci/rescan; udevadm settle; systemctl restart lightdm.service')
    pc.wait_screen(host.picture, timeout=120)
    assert drivers(pc, (GPU, AUDIO)) == NORMAL


def case_bus_is_restarted(pc):
    """The way back does not depend on the bus that saw the way there."""
    host = Host(pc)
    host.start()
    pc.sh(BUS)
    host.stop()
    host.is_back()


def waits_for(path):
    return f"/bin/sh -c 'until [ -e {path} ]; do sleep 0.1; done'"


def cut(pc, unit, state, go_on):
    """The bus goes and comes back where the unit waits in this state, and only then that goes on."""
    pc.wait_until(f'[ $(systemctl show -P ActiveState {unit}) = {state} ]')
    pc.sh('perl /root/cut')
    pc.wait_until('kill -USR1 1; busctl call org.freedesktop.systemd1 / org.freedesktop.DBus.Peer Ping')
    pc.sh(f'touch {go_on}')


def case_ends_of_jobs_are_not_told(pc):
    """A service manager that loses the bus for a moment does not tell how the swap and the way back end: they end well all the same."""
    desktop, there, back = '/run/desktop', '/run/there', '/run/back'
    host = Host(pc, units=[
        drop_in('lightdm.service', f'ExecStopPost={waits_for(desktop)}'),
        drop_in(step('bind'), f'ExecStartPre={waits_for(there)}\nExecStopPost={waits_for(back)}')])
    pc.put('/root/cut', CUT)
    pc.sh(f"systemctl --no-block start '{entry(VM)}'")
    cut(pc, 'lightdm.service', 'deactivating', desktop)
    cut(pc, step('bind'), 'activating', there)
    host.start()
    host.handed_over(picture=False)
    demand(story(pc), 'did not tell how a job ended', 'the GPU is ready')

    # As much as the swap it waits for what it is not told.
    pc.sh(f"systemctl restart systemd-logind.service; systemctl --no-block stop '{entry(VM)}'")
    cut(pc, step('bind'), 'deactivating', back)
    host.stop()
    pc.sh('systemctl restart systemd-logind.service')
    host.is_as_before()
    told = story(pc)
    assert 'not every unit of the desktop is back' not in told, told


def case_memory_is_short(pc):
    """A host that has next to no memory left swaps there and back all the same."""
    host = Host(pc)
    pc.sh(HOG)
    host.start()
    host.handed_over(picture=False)
    host.stop()
    host.is_back()
