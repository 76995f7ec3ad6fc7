# SPDX-License-Identifier: LGPL-2.1-or-later
"""A VM that still has the GPU, swaps that are left half-done, and swaps for a limited time."""

import json

import domain
from fault import BUS, CANCEL
from host import (AUDIO, demand, DEVICES, drivers, drop_in, entry, GPU, greeter_pid, Host, ONE_VM, OURS, prop, RNG, states, step,
                  story, VM)
from pinned import install_package, RECOVER, remove_package
from states import HOLD

# A process that has the IOMMU group open is as much of a VM as the kernel sees.
GUEST = ('guest.service', "[Service]\nExecStart=/bin/bash -c 'exec 3<>/dev/vfio/[0-9]*; exec sleep infinity'\n")
# Units of a swap that stops half-way, and what its messages are.
WAITS = drop_in(step('bind'), "ExecStart=\nExecStart=/bin/sh -c 'touch /run/reached; exec sleep infinity'")
SWAP_FAILED, ENDED_SILENTLY, HALF_DONE = (f'b1f40a8b5fd0412c9ad2a5d3cf1c7e{number}' for number in ('02', '0b', '10'))
TEST_UNITS = 'vfio-gpu-test@Windows10.timer', 'vfio-gpu-test@Windows10.service'


def fails_back(vm=VM):
    """A way back that fails, and no second attempt by itself."""
    recover = RECOVER.replace(VM, vm)
    return (drop_in(step('bind', vm), 'ExecStopPost=\nExecStopPost=/bin/false'),
            drop_in(recover, 'ExecStart=\nExecStart=/bin/false'))


FAILS_BACK = fails_back()


def handed_over(pc, config=ONE_VM, units=()):
    host = Host(pc, config, units=[GUEST, *units])
    host.start()
    return host


def start_guest(pc):
    """Returns how it is named where it is in the way."""
    pc.sh('systemctl start guest.service')
    pid = prop(pc, 'guest.service', 'MainPID')
    pc.wait_until(f'ls -l /proc/{pid}/fd | grep -q /dev/vfio/')
    return f'sleep (pid {pid}, guest.service of root) on /dev/vfio/'


def wait_for_status(pc, text, *units):
    for unit in units:
        pc.wait_until(f"systemctl show --property=StatusText '{unit}' | grep -qF '{text}'")


def status(pc, vm=VM):
    return json.loads(pc.sh(f"vfio-gpuctl status --json '{vm}'"))[0]


def end_guest(pc):
    """Everything goes on by itself, and soon."""
    pc.sh('systemctl stop guest.service')
    pc.wait_until(f'! systemctl is-active -q {entry(VM)} && systemctl is-active -q lightdm.service && '
                  f'[ -z "$(ls /run/vfio-gpu)" ]', 60)


def case_stop_waits(pc):
    """A stop waits for the VM that has the GPU, names it in the status of both units, and goes on when it ends."""
    host = handed_over(pc, units=[drop_in('lightdm.service', HOLD.format('ExecStartPre'))])
    guest = start_guest(pc)
    pc.sh('chown nobody /dev/vfio/[0-9]*')
    pc.sh(f'systemctl stop --no-block {entry(VM)}')
    wait_for_status(pc, f'Waiting for the VM that still has the GPU: {guest}', entry(VM), step('vm'))
    now = status(pc)
    assert now['state'] == 'taking-back' and now['units'] == [step('vm')], now
    demand(pc.sh(f'vfio-gpuctl status {VM}'), f'VM {VM} is losing the GPU, which waits for {guest}')
    # Once it has ended, nobody says that it is waited for.
    pc.sh('systemctl stop guest.service')
    pc.wait_until('[ -e /run/held ]')
    pc.wait_until(f"[ -z \"$(systemctl show -P StatusText '{entry(VM)}')\" ]")
    assert states(pc, entry(VM)) == ['deactivating']
    pc.sh('touch /run/go')
    end_guest(pc)
    demand(story(pc), f'waiting for the VM that still has the GPU: {guest}', 'the host has its GPU back')
    host.is_as_before()


def case_guest_is_waited_for(pc):
    """It is the same with a guest of libvirt's, which resets the GPU after its end, whatever driver that has by then."""
    host = Host(pc)
    domain.define(pc)
    domain.start(pc)
    pc.sh(f'systemctl stop --no-block {entry(VM)}')
    wait_for_status(pc, 'Waiting for the VM that still has the GPU: qemu-system-x86', entry(VM), step('vm'))
    assert domain.state(pc) == 'running'
    domain.destroy(pc)
    assert states(pc, entry(VM), 'lightdm.service') == ['inactive', 'active']
    host.is_back()


def case_display_manager_waits(pc):
    """The display manager, started by hand, starts once the VM has ended."""
    host = handed_over(pc)
    guest = start_guest(pc)
    pc.sh('systemctl start --no-block lightdm.service')
    wait_for_status(pc, guest, entry(VM), step('vm'))
    assert states(pc, 'lightdm.service') == ['inactive']
    end_guest(pc)
    host.is_as_before()


def case_reload_while_a_vm_is_waited_for(pc):
    """The service manager, which forgets at a reload that a time limit was extended, lets the wait for a VM go on."""
    host = handed_over(pc, ONE_VM + 'HoldersTimeoutSec=1\nTimeoutSec=8\n')
    start_guest(pc)
    pc.sh(f'systemctl stop --no-block {entry(VM)}')
    wait_for_status(pc, 'Waiting for the VM', entry(VM))
    begun = int(prop(pc, entry(VM), 'StateChangeTimestampMonotonic')) / 1e6
    pc.wait_until(f"read -r now _ </proc/uptime; [ ${{now%.*}} -gt {int(begun) + 9} ]")
    pc.sh('systemctl daemon-reload; systemctl daemon-reload')
    assert not pc.sh("systemctl list-units --no-legend --state=failed 'vfio-gpu*'")
    assert states(pc, entry(VM), 'lightdm.service') == ['deactivating', 'inactive']
    end_guest(pc)
    host.is_as_before()


def case_jobs_are_cancelled(pc):
    """Who cancels the jobs of a stop is told what is not undone for that; the second attempt waits for what is still at it."""
    host = Host(pc, f'[VM {VM}]\nDevices={RNG}\nStopUnits=\nConsoles=keep\n', [RNG],
                [drop_in(step('bind'), HOLD.format('ExecStop'))])
    host.start()
    pc.sh(f'systemctl stop --no-block {entry(VM)}')
    pc.wait_until('[ -e /run/held ]')
    pc.sh(CANCEL)
    pc.wait_until(f'systemctl is-failed -q {entry(VM)}')
    reason = told(pc, HALF_DONE)
    demand(reason, 'the jobs to stop them were cancelled', step('bind'), RECOVER)
    assert 'the lines above' not in reason, reason
    pc.sh('touch /run/go')
    pc.wait_until('[ -z "$(ls /run/vfio-gpu)" ]', 60)
    host.is_as_before(failed=[entry(VM)])


def case_step_that_waits_is_killed(pc):
    """Without the step that waits for the VM, the one that takes the functions waits by itself."""
    host = handed_over(pc)
    guest = start_guest(pc)
    pc.sh(f'systemctl stop --no-block {entry(VM)}')
    wait_for_status(pc, guest, step('vm'))
    pc.sh(f"systemctl kill --signal=KILL {step('vm')}")
    wait_for_status(pc, guest, step('bind'))
    assert states(pc, 'lightdm.service') == ['inactive']
    end_guest(pc)
    host.is_as_before(failed=[step('vm')])


def case_other_vm_is_refused(pc):
    """Another VM's swap does not wait for the VM that has the GPU: it is refused at once, and nothing changes."""
    host = handed_over(pc, ONE_VM + '[VM macOS]\n')
    guest = start_guest(pc)
    demand(host.start_fails('macOS'), f'the GPU is handed over to VM {VM}, which still runs: {guest}', 'nothing was changed')
    host.handed_over(picture=False)
    assert states(pc, 'guest.service') == ['active']


def case_start_while_a_stop_waits(pc):
    """A start during such a wait hands the GPU over again once it was given back."""
    host = handed_over(pc)
    guest = start_guest(pc)
    pc.sh(f'systemctl stop --no-block {entry(VM)}')
    wait_for_status(pc, guest, entry(VM))
    pc.sh(f'systemctl start --no-block {entry(VM)}')
    pc.sh('systemctl stop guest.service')
    pc.wait_until(f'systemctl is-active -q {entry(VM)}', 90)
    host.handed_over(picture=False)
    host.stop()
    host.is_as_before()


def case_status(pc):
    """The status tells drivers, groups, names and holders, before a swap and during it."""
    host = Host(pc, units=[GUEST])
    pid = pc.sh('pgrep -x Xorg').strip()
    before = status(pc)
    gpu, audio = before['functions']
    assert before['state'] == 'not-begun' and not before['configuration_changed'], before
    assert (gpu['driver'], gpu['override'], gpu['group']) == ('bochs-drm', None, audio['group']), gpu
    xorg = {'pid': int(pid), 'name': 'Xorg', 'unit': 'lightdm.service', 'user_unit': None, 'session': None, 'user': 'root',
            'node': '/dev/dri/card0'}
    assert xorg in gpu['holders'], gpu
    assert audio['name'].startswith('Intel Corporation'), audio

    host.start()
    demand(pc.sh('vfio-gpuctl status'), f'VM {VM} has the GPU and does not use it')
    guest = start_guest(pc)
    during = status(pc)
    assert during['state'] == 'handed-over', during
    for function in during['functions']:
        assert (function['driver'], function['override']) == ('vfio-pci', 'vfio-pci'), function
        assert [holder['unit'] for holder in function['holders']] == ['guest.service'], function
    demand(pc.sh(f'vfio-gpuctl status {VM}'), f'VM {VM} has the GPU: {guest}')
    pc.put('/etc/vfio-gpu.conf', ONE_VM + 'Consoles=keep\n')
    assert status(pc)['configuration_changed']
    pc.sh('systemctl daemon-reload')
    assert status(pc)['configuration_changed']


def case_recover_names_the_vm(pc):
    """Recovery takes nothing from a VM: it names it and fails; once it has ended, the desktop comes back."""
    host = handed_over(pc)
    guest = start_guest(pc)
    result, output = pc.run('vfio-gpuctl recover')
    assert result == 1, output
    demand(output, f'the VM still has the GPU: {guest}')
    demand(pc.sh('vfio-gpuctl recover windows10'), f'for VM windows10; there are records of: {VM}.')
    host.handed_over(picture=False)
    pc.sh('systemctl stop guest.service')
    demand(pc.sh('vfio-gpuctl recover', 120), f'stopping {entry(VM)}', 'the host has its GPU back')
    host.is_as_before()
    demand(pc.sh('vfio-gpuctl recover'), 'Nothing is left of a swap.')
    demand(pc.sh(f'vfio-gpuctl recover {VM}'), f'Nothing is left of a swap for VM {VM}.')


def case_recover_waits_for_the_desktop(pc):
    """A display manager that takes its time to start is waited for, and nobody is said to be stuck meanwhile."""
    slow = drop_in('lightdm.service', 'ExecStartPre=/usr/bin/sleep 4')
    host = handed_over(pc, units=[slow])
    output = pc.sh('vfio-gpuctl recover', 120)
    demand(output, 'the host has its GPU back')
    assert 'cannot be ended' not in output, output
    host.is_as_before()


def case_recover_without_units(pc):
    """Units that the service manager does not know any more are not needed to recover."""
    host = handed_over(pc)
    remove_package(pc)
    pc.sh('tar -xPf /run/package.tar /usr/libexec/vfio-gpu /usr/bin/vfio-gpuctl && rm /run/systemd/system/vfio-gpu* && '
          'systemctl daemon-reload')
    assert prop(pc, step('bind'), 'LoadState') == 'not-found'
    output = pc.sh('vfio-gpuctl recover', 120)
    demand(output, 'took 0000:01:00.0 from vfio-pci', 'gave 0000:01:00.0 back to bochs-drm', 'starting again: display-manager')
    assert states(pc, 'lightdm.service') == ['active']
    install_package(pc)
    host.is_as_before()


def case_recover_half_done(pc):
    """What a failing way back left, a copy of the program takes back when the package is gone."""
    copy = f'/run/vfio-gpu/.programs-{VM}/vfio-gpuctl'
    host = handed_over(pc, units=FAILS_BACK)
    remove_package(pc)
    pc.sh('systemctl daemon-reload')
    pc.run(f'systemctl stop {entry(VM)}')
    pc.wait_until(f'systemctl is-failed -q {RECOVER}')
    assert states(pc, entry(VM)) == ['failed']
    left = json.loads(pc.sh(f'{copy} status --json {VM}'))[0]
    assert left['state'] == 'half-done', left
    demand(str(left['left']), '0000:01:00.0 is to go back to driver bochs-drm', '0000:01:00.1 is to go back')
    demand(left['failure'], f"run '{copy} recover'")
    output = pc.sh(f'{copy} recover', 120)
    demand(output, 'gave 0000:01:00.0 back to bochs-drm', 'the host has its GPU back')
    install_package(pc)
    host.is_back(failed=[step('bind'), entry(VM), RECOVER])


def case_other_vm_is_left_half_done(pc):
    """A VM whose way back fails when another is started keeps that from beginning, and is named as people name it."""
    left = r'mac\x20OS'
    host = Host(pc, ONE_VM + '[VM mac OS]\n', units=fails_back(left))
    host.start(left)
    demand(host.start_fails(), 'VM mac OS could not give the GPU back', 'VFIO_GPU_VM="mac OS"', 'this swap was not begun')
    demand(pc.sh("vfio-gpuctl recover 'mac OS'", 120), 'gave 0000:01:00.0 back to bochs-drm', 'the host has its GPU back')
    host.is_back(failed=[step('bind', left), entry(left), RECOVER.replace(VM, left), entry(VM)])


def case_other_vm_leaves_a_setting(pc):
    """The functions are back and something else is not: that is tried again first, for which the desktop is not to have ended."""
    host = Host(pc, ONE_VM + f'[VM macOS]\n[Device {GPU}]\nD3cold=yes\n')
    host.start('macOS')
    pc.sh("cp /run/vfio-gpu/macOS/device /run/kept; echo '/nowhere 1' >>/run/vfio-gpu/macOS/device")
    demand(host.start_fails(), 'VM macOS could not give the GPU back', 'this swap was not begun')
    pc.wait_until(f"systemctl is-failed -q {RECOVER.replace(VM, 'macOS')}", 60)
    assert states(pc, 'lightdm.service') == ['active']
    pc.sh('cp /run/kept /run/vfio-gpu/macOS/device; vfio-gpuctl recover macOS', 120)
    host.is_as_before(failed=[step('device', 'macOS'), entry('macOS'), RECOVER.replace(VM, 'macOS'), entry(VM)])


def case_display_manager_failed_too_often(pc):
    """A display manager that gave up is started again with what else is taken back at the second attempt."""
    once = ('lightdm.service.d/case.conf', '[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=1\n')
    host = Host(pc, ONE_VM + f'[Device {GPU}]\nD3cold=yes\n', units=[once])
    host.start()
    pc.sh(f"cp /run/vfio-gpu/{VM}/device /run/kept; echo '/nowhere 1' >>/run/vfio-gpu/{VM}/device")
    pc.run(f'systemctl stop {entry(VM)}')
    pc.wait_until(f'systemctl is-failed -q {RECOVER}', 60)
    pc.sh(f'cp /run/kept /run/vfio-gpu/{VM}/device')
    pc.wait_until('systemctl kill --signal=KILL lightdm.service; systemctl is-failed -q lightdm.service')
    pc.sh('vfio-gpuctl recover', 120)
    host.is_back(failed=OURS)


def case_name_with_a_blank(pc):
    """The second attempt at a way back is made whatever the VM's name is, and is in its story."""
    name, escaped = 'mac OS', r'mac\x20OS'
    host = Host(pc, DEVICES + f'[VM {name}]\n', units=[fails_back(escaped)[0]])
    host.start(escaped)
    pc.run(f"systemctl stop '{entry(escaped)}'")
    pc.wait_until('[ -z "$(ls /run/vfio-gpu)" ] && systemctl is-active -q lightdm.service', 60)
    demand(story(pc, name), 'undoing what the records', 'the host has its GPU back')
    host.is_as_before(failed=[step('bind', escaped), entry(escaped)])


def half_done(pc):
    host = handed_over(pc, units=FAILS_BACK)
    pc.run(f'systemctl stop {entry(VM)}')
    pc.wait_until(f'systemctl is-failed -q {RECOVER}')
    return host


def case_refused_after_half_done(pc):
    """A start that is refused tells why, and leaves what is there as it is."""
    host = half_done(pc)
    pc.config(ONE_VM + 'StopUnits=ssdm.service\n')
    pc.sh(f'systemctl reset-failed {RECOVER}')
    host.start_fails()
    demand(prop(pc, entry(VM), 'StatusText'), 'ssdm.service')
    pc.wait_until('! systemctl list-jobs --no-legend | grep -q vfio-gpu')
    assert drivers(pc, [GPU]) == {GPU: ['vfio-pci', 'vfio-pci']} and states(pc, RECOVER) == ['inactive']
    pc.config(ONE_VM)
    pc.sh(f'vfio-gpuctl recover {VM}', 120)
    host.is_as_before(failed=[step('bind'), entry(VM)])


def case_start_while_recovering(pc):
    """Nothing is begun that a recovery under way would take for its own."""
    host = half_done(pc)
    pc.sh(f"systemd-run --unit=first flock /run/vfio-gpu/{VM} sh -c 'sleep infinity; :'")
    pc.wait_until(f'! flock --nonblock /run/vfio-gpu/{VM} true')
    demand(host.start_fails(), 'the GPU is just being recovered', 'nothing was changed')
    pc.sh('systemctl stop first.service')
    pc.sh(f'vfio-gpuctl recover {VM}', 120)
    host.is_as_before(failed=[step('bind'), entry(VM), RECOVER])


def case_stop_before_it_is_begun(pc):
    """A stop while another VM's way back is waited for is one, and leaves that to itself."""
    host = waiting_for_macos(pc)
    host.stop()
    assert states(pc, entry(VM), entry('macOS')) == ['inactive', 'deactivating']
    pc.sh('touch /run/go-on')
    pc.wait_until('[ -z "$(ls /run/vfio-gpu)" ]', 60)
    host.is_as_before()


def case_masked_step(pc):
    """A step that cannot be run is found out while the desktop is up."""
    host = Host(pc)
    pid = greeter_pid(pc)
    pc.sh(f"systemctl mask {step('bind')}")
    demand(host.start_fails(), f"{step('bind')} is masked", 'systemctl unmask', 'nothing was changed')
    assert greeter_pid(pc) == pid
    pc.sh(f"systemctl unmask {step('bind')}")
    host.is_as_before(failed=[entry(VM)])


def case_start_after_half_done(pc):
    """What ran before a swap whose way back failed runs after the next one."""
    host = handed_over(pc, units=FAILS_BACK)
    pc.run(f'systemctl stop {entry(VM)}')
    pc.wait_until(f'systemctl is-failed -q {RECOVER}')
    pc.sh(f"systemctl stop lightdm.service; rm -r /etc/systemd/system/{step('bind')}.d; systemctl daemon-reload")
    host.start()
    host.stop()
    host.is_back()


def case_target_alone_half_done(pc):
    """What ran is on record until everything is taken back, also where only the target was started."""
    target = entry(VM).replace('.service', '.target')
    host = Host(pc, units=FAILS_BACK)
    pc.sh(f'systemctl start {target}')
    pc.sh(f'systemctl stop {target}')
    pc.wait_until(f'systemctl is-failed -q {step("bind")} && ! systemctl is-active -q {step("desktop")}')
    demand(pc.sh(f'vfio-gpuctl recover {VM}', 120), 'gave 0000:01:00.0 back to bochs-drm', 'the host has its GPU back')
    host.is_back(failed=[step('bind')])


def case_target_after_half_done(pc):
    """A way back that was not finished does not keep the desktop down at the end of the next swap."""
    target = entry(VM).replace('.service', '.target')
    host = half_done(pc)
    pc.sh(f"rm -r /etc/systemd/system/{step('bind')}.d; systemctl daemon-reload; systemctl reset-failed {step('bind')}")
    pc.sh(f'systemctl start {target}')
    assert states(pc, 'lightdm.service') == ['inactive']
    pc.sh(f'systemctl stop {target}')
    pc.wait_until('systemctl is-active -q lightdm.service && [ -z "$(ls /run/vfio-gpu)" ]', 60)
    host.is_back(failed=[entry(VM), RECOVER])


def case_recover_twice(pc):
    """Of two recoveries at a time the second waits for the first, and finds nothing left to do."""
    host = handed_over(pc, units=FAILS_BACK)
    pc.run(f'systemctl stop {entry(VM)}')
    pc.wait_until(f'systemctl is-failed -q {RECOVER}')
    pc.sh(f"systemd-run --unit=first flock /run/vfio-gpu/{VM} sh -c 'sleep infinity; :'")
    pc.wait_until(f'! flock --nonblock /run/vfio-gpu/{VM} true')
    pc.sh('systemd-run --unit=second vfio-gpuctl recover')
    pc.wait_until('journalctl -b -u second.service | grep -q "waiting for another recovery"')
    assert drivers(pc, ['0000:01:00.0']) == {'0000:01:00.0': ['vfio-pci', 'vfio-pci']}
    pc.sh('systemctl stop first.service')
    pc.wait_until('! systemctl is-active -q second.service', 60)
    host.is_as_before(failed=[step('bind'), entry(VM), RECOVER])


def told(pc, message):
    return pc.sh(f'journalctl --sync; journalctl --no-pager -q -b -o cat MESSAGE_ID={message} VFIO_GPU_VM={VM}')


def case_entry_is_killed(pc):
    """A start whose program is killed is undone, and journal and status say that it was killed."""
    host = Host(pc, units=[WAITS])
    pc.sh(f'systemctl start --no-block {entry(VM)}')
    pc.wait_until('[ -e /run/reached ]', 60)
    pc.sh(f"kill -KILL {prop(pc, entry(VM), 'MainPID')}")
    pc.wait_until(f'systemctl is-failed -q {entry(VM)}', 60)
    reason = f'{entry(VM)} failed: its program was killed by a signal; everything is taken back: start it again'
    demand(told(pc, SWAP_FAILED), reason)
    pc.sh('journalctl --update-catalog')
    demand(pc.journal('-x', f'VFIO_GPU_VM={VM}'), f'Subject: The GPU could not be handed over to VM {VM}')
    demand(status(pc)['failure'], reason)
    host.is_back(failed=[entry(VM)])


def case_entry_takes_too_long(pc):
    """So is one that a time limit ends, with that as the reason."""
    host = Host(pc, units=[WAITS, drop_in(entry(VM), 'TimeoutStartSec=15')])
    host.start_fails()
    # The job of the start ends before the way back does.
    pc.wait_until(f'systemctl is-failed -q {entry(VM)}', 60)
    demand(told(pc, SWAP_FAILED), f'{entry(VM)} failed: it took longer than TimeoutStartSec=', 'everything is taken back')
    demand(status(pc)['failure'], 'TimeoutStartSec=')
    host.is_as_before(failed=[entry(VM)])


def case_step_is_killed_on_the_way_back(pc):
    """A step whose way back is killed is named, with how it ended."""
    host = handed_over(pc, units=[drop_in(step('bind'), "ExecStopPost=\nExecStopPost=/bin/sh -c 'kill -KILL $$$$'"), FAILS_BACK[1]])
    pc.run(f'systemctl stop {entry(VM)}')
    pc.wait_until(f'systemctl is-failed -q {RECOVER}')
    demand(told(pc, ENDED_SILENTLY), f"{step('bind')} failed: its program was killed by a signal")
    demand(told(pc, HALF_DONE), 'not everything could be taken back')
    demand(pc.sh(f'vfio-gpuctl recover {VM}', 120), 'gave 0000:01:00.0 back to bochs-drm', 'the host has its GPU back')
    host.is_as_before(failed=[step('bind'), entry(VM), RECOVER])


def case_second_attempt_in_the_status(pc):
    """The status tells that a second attempt is being made, by which unit, and not that somebody should make it."""
    host = handed_over(pc, units=[FAILS_BACK[0], drop_in(RECOVER, HOLD.format('ExecStartPre'))])
    pc.run(f'systemctl stop {entry(VM)}')
    pc.wait_until('[ -e /run/held ]', 60)
    now = status(pc)
    assert now['state'] == 'taking-back' and now['units'] == [RECOVER], now
    pc.sh('touch /run/go')
    pc.wait_until('[ -z "$(ls /run/vfio-gpu)" ]', 60)
    host.is_as_before(failed=[step('bind'), entry(VM)])


def case_end_without_a_second_attempt(pc):
    """That the service's own end was killed is told by the last step where a second attempt finds nothing left to do."""
    host = handed_over(pc, units=[drop_in(entry(VM), "ExecStopPost=\nExecStopPost=/bin/sh -c 'kill -KILL $$$$'"),
                                  drop_in(RECOVER, 'ExecCondition=/bin/false')])
    pc.run(f'systemctl stop {entry(VM)}')
    host.is_as_before(failed=[entry(VM)])
    demand(told(pc, ENDED_SILENTLY), f'{entry(VM)} failed: its program was killed by a signal')
    assert not told(pc, HALF_DONE), 'told that something is left'


def case_recover_leaves_a_stuck_step_alone(pc):
    """A process of a step that cannot be ended is named, and nothing is done beside it; once it is dead it is in nobody's way."""
    handed_over(pc, units=[drop_in(step('bind'), 'KillMode=none\nExecStopPost=\n'
                                   "ExecStopPost=/bin/sh -c 'sleep 600 & exit 1'")])
    pc.run(f'systemctl stop {entry(VM)}')
    pc.wait_until(f'systemctl is-failed -q {RECOVER}')
    result, output = pc.run('vfio-gpuctl recover')
    assert result == 1, output
    demand(output, f'of {step("bind")} cannot be ended')
    # Whose parent never asks for it.
    pc.sh('''
        sh -c 'sleep 601 & echo $! >/run/dead; exec sleep 602' &
        until [ -s /run/dead ]; do :; done
        read -r dead </run/dead
        stuck=$(pgrep -fx 'sleep 600')
        echo $dead >/sys/fs/cgroup$(sed 's/^0:://' /proc/$stuck/cgroup)/cgroup.procs
        kill -KILL $dead $stuck
        until grep -q '^State:.Z' /proc/$dead/status; do :; done''')
    demand(pc.sh('vfio-gpuctl recover', 120), 'gave 0000:01:00.0 back to bochs-drm', 'the host has its GPU back')


def case_recover_is_no_vm(pc):
    """A step that looks whether a VM has the group is not taken for one that has it; what only has its unit's name is."""
    host = half_done(pc)
    pc.sh('mkfifo /run/ended')
    for name, said in ('qemu', 'still has the GPU: qemu'), ('vfio-gpu-look', 'undoing what the records'):
        look = f'echo {name} >/proc/self/comm; exec 3<>/dev/vfio/[0-9]*; : >/run/looks; read -r _ </run/ended'
        pc.sh(f"systemd-run -q --unit=vfio-gpu-look@case bash -c '{look}'")
        pc.wait_until('[ -e /run/looks ]')
        pc.sh('systemd-run -q --unit=again vfio-gpuctl recover')
        pc.wait_until(f"journalctl -u again | grep -q '{said}'")
        pc.sh('rm /run/looks; echo >/run/ended')
        pc.wait_until('! systemctl is-active -q again', 60)
        pc.run('systemctl reset-failed again')
    host.is_as_before(OURS)


def case_test_gives_back(pc):
    """A swap that is tried ends by itself, also when its caller is killed."""
    host = Host(pc)
    pc.sh(f'systemd-run --unit=caller vfio-gpuctl test {VM} --for=15s')
    pc.wait_until(f'systemctl is-active -q {TEST_UNITS[0]}')
    pc.sh('systemctl kill --signal=KILL caller.service')
    pc.wait_until(f'systemctl is-active -q {entry(VM)}', 60)
    host.handed_over(picture=False)
    pc.wait_until(f'! systemctl is-active -q {entry(VM)} && systemctl is-active -q lightdm.service', 60)
    pc.sh('systemctl reset-failed caller.service')
    host.is_back()


def case_test_survives_isolate(pc):
    """Nor does it wait for ever where all else is stopped in the meantime."""
    host = Host(pc)
    pc.sh(f'vfio-gpuctl test {VM} --for=15s')
    pc.sh('systemctl isolate multi-user.target', 60)
    assert states(pc, TEST_UNITS[0], entry(VM)) == ['active', 'active']
    pc.wait_until(f'! systemctl is-active -q {entry(VM)} && systemctl is-active -q lightdm.service', 90)
    pc.sh('systemctl start graphical.target')
    host.is_as_before()


def case_test_is_stopped_early(pc):
    """A stop before that time takes the timer away, and a refusal leaves none."""
    host = Host(pc)
    demand(pc.sh(f'vfio-gpuctl test {VM} --for=1h'), f'VM {VM} has the GPU.')
    assert states(pc, TEST_UNITS[0]) == ['active']
    result, output = pc.run(f'vfio-gpuctl test {VM} --for=1h')
    assert result == 1 and 'has the GPU already' in output, output
    host.stop()
    assert states(pc, *TEST_UNITS) == ['inactive', 'inactive']
    host.is_as_before()

    pc.config('[VM Windows10]\nDevices=01:00.0\n')
    result, output = pc.run(f'vfio-gpuctl test {VM} --for=1h')
    assert result == 1 and 'shares IOMMU group' in output, output
    assert states(pc, *TEST_UNITS, 'lightdm.service') == ['inactive', 'inactive', 'active']


def case_without_bus(pc):
    """Where not even the bus runs, each function gets its driver back; the service manager's part is done when it can be asked."""
    host = Host(pc, ONE_VM + 'Inhibit=sleep\n')
    host.start()
    pid = prop(pc, step('inhibit'), 'MainPID')
    pc.sh('systemctl stop dbus.socket dbus.service')
    demand(pc.run(f'vfio-gpuctl recover {VM}')[1], 'going on without the service manager', 'gave 0000:01:00.0 back to')
    pc.wait_until(f'[ ! -d /proc/{pid} ]')
    pc.sh(f'systemctl start dbus.socket; {BUS}')
    host.stop()
    host.is_back()


def waiting_for_macos(pc):
    """The start of the one VM waits for the way back of the other, which goes on when it is let."""
    slow = drop_in(step('bind', 'macOS'), "ExecStopPost=/bin/sh -c 'until [ -e /run/go-on ]; do sleep 0.1; done'")
    host = Host(pc, ONE_VM + '[VM macOS]\n', units=[slow])
    host.start('macOS')
    pc.sh(f'systemctl start --no-block {entry(VM)}')
    pc.wait_until(f"[ $(systemctl show -P ActiveState {step('bind', 'macOS')}) = deactivating ]")
    return host


def case_killed_before_it_is_begun(pc):
    """A SIGTERM that is no stop has the start fail: libvirt would begin the VM under the desktop."""
    host = waiting_for_macos(pc)
    pc.sh(f'systemctl kill {entry(VM)}')
    pc.wait_until(f'systemctl is-failed -q {entry(VM)}')
    demand(prop(pc, entry(VM), 'StatusText'), f'though {entry(VM)} is not being stopped; this swap was not begun')
    pc.sh('touch /run/go-on')
    pc.wait_until('[ -z "$(ls /run/vfio-gpu)" ]', 60)
    assert states(pc, entry(VM), f'vfio-gpu@{VM}.target') == ['failed', 'inactive']
    host.is_as_before(failed=[entry(VM)])


def case_killed_in_the_middle(pc):
    """The same once it is begun: everything is taken back."""
    host = Host(pc, units=[drop_in(step('bind'), 'ExecStart=\nExecStart=/usr/bin/sleep infinity')])
    pc.sh(f'systemctl start --no-block {entry(VM)}')
    pc.wait_until(f"[ $(systemctl show -P ActiveState {step('bind')}) = activating ]")
    pc.sh(f'systemctl kill {entry(VM)}')
    pc.wait_until(f'systemctl is-failed -q {entry(VM)}', 60)
    demand(story(pc), f'though {entry(VM)} is not being stopped; everything is taken back', 'the host has its GPU back')
    assert states(pc, entry(VM), f'vfio-gpu@{VM}.target', RECOVER) == ['failed', 'inactive', 'inactive']
    host.is_back(failed=[entry(VM)])


def case_stopped_in_the_checks(pc):
    """A check that hangs is ended by a stop, which is no failure, and by any other SIGTERM, which is one."""
    hangs = f'/usr/bin/strace -D -f -qq -o /run/trace -P /sys/bus/pci/devices/{GPU}/class -e inject=openat:signal=STOP:when=1'
    start = f'/usr/libexec/vfio-gpu/vfio-gpu-swap start --vm={VM} {GPU} {AUDIO}'
    host = Host(pc, units=[drop_in(entry(VM), f'SystemCallFilter=@debug\nExecStart=\nExecStart={hangs} {start}')])
    for verb, state in ('stop', 'inactive'), ('kill', 'failed'):
        pc.sh(f'systemctl start --no-block {entry(VM)}')
        pc.wait_until('grep -q "stopped by SIGSTOP" /run/trace')
        pc.sh(f'systemctl {verb} {entry(VM)}; systemctl kill --signal=CONT {entry(VM)} || true')
        pc.wait_until(f'[ "$(systemctl is-active {entry(VM)})" = {state} ]')
        pc.sh('rm /run/trace')
    assert prop(pc, entry(VM), 'Result') == 'signal' and 'this swap was not begun' not in story(pc)
    host.is_as_before(failed=[entry(VM)])


def left_alone(pc, reason):
    """After a refused start: what is half-done stays so, and nobody takes it up."""
    pc.wait_until('! systemctl list-jobs --no-legend | grep -q vfio-gpu')
    assert drivers(pc, [GPU]) == {GPU: ['vfio-pci', 'vfio-pci']} and states(pc, RECOVER) == ['inactive']
    demand(prop(pc, entry(VM), 'StatusText'), reason)
    pc.sh(f'[ -e /run/vfio-gpu/{VM}/refused ]')


def case_refused_by_the_configuration_after_half_done(pc):
    """The same for a configuration that is no good, or has no such VM any more."""
    host = half_done(pc)
    for config, reason in (ONE_VM + 'TimeoutSec=soon\n', 'TimeoutSec='), (DEVICES + '[VM macOS]\n', 'vfio-gpu.conf'):
        pc.config(config)
        pc.sh(f'systemctl reset-failed {RECOVER} || true')
        host.start_fails()
        left_alone(pc, reason)
    pc.config(ONE_VM)
    pc.sh(f'vfio-gpuctl recover {VM}', 120)
    host.is_as_before(failed=[step('bind'), entry(VM)])


def case_refused_at_last_after_half_done(pc):
    """The same for what is found out only after the checks: a masked step, and huge pages that cannot be had."""
    host = half_done(pc)
    pc.sh(f"systemctl reset-failed {RECOVER}; systemctl mask {step('modules')}")
    demand(host.start_fails(), f"{step('modules')} is masked")
    left_alone(pc, 'is masked')
    pc.sh(f"systemctl unmask {step('modules')}")
    pc.config(ONE_VM + 'HugePages=8x2M 1x1G\n')
    demand(host.start_fails(), 'cannot have 1x1G huge pages')
    left_alone(pc, 'cannot have 1x1G huge pages')
    pc.config(ONE_VM)
    pc.sh(f'vfio-gpuctl recover {VM}', 120)
    host.is_as_before(failed=[step('hugepages'), entry(VM)])


def case_refused_beside_the_target_alone(pc):
    """A swap that was made by the target alone goes on when a start is refused for the configuration."""
    target = f'vfio-gpu@{VM}.target'
    host = Host(pc)
    pc.sh(f'systemctl start {target}')
    pc.config(ONE_VM + 'TimeoutSec=soon\n')
    demand(host.start_fails(), 'TimeoutSec=')
    pc.wait_until('! systemctl list-jobs --no-legend | grep -q vfio-gpu')
    assert states(pc, target, step('bind'), 'lightdm.service') == ['active', 'active', 'inactive']
    pc.config(ONE_VM)
    pc.sh(f'systemctl stop {target}')
    pc.wait_until('systemctl is-active -q lightdm.service && [ -z "$(ls /run/vfio-gpu)" ]', 60)
    host.is_as_before(failed=[entry(VM)])


for at_the_same_time in (case_start_while_a_stop_waits, case_display_manager_waits, case_start_while_recovering, case_recover_twice,
                         case_stop_before_it_is_begun, case_test_is_stopped_early, case_killed_before_it_is_begun,
                         case_killed_in_the_middle, case_stopped_in_the_checks, case_without_bus):
    at_the_same_time.profile = 'virtio'
