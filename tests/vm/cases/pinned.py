# SPDX-License-Identifier: LGPL-2.1-or-later
"""What one configuration started, the same configuration undoes, whatever becomes of it and of the package."""

from host import demand, drop_in, entry, Host, ONE_VM, prop, states, step, story, VM

GENERATOR = '/usr/lib/systemd/system-generators/vfio-gpu-generator'
PACKAGE = ('/usr/libexec/vfio-gpu /usr/lib/systemd/system/vfio-gpu*@.service /usr/lib/systemd/system/system-vfio*.slice '
           f'{GENERATOR} '
           '/usr/lib/udev/rules.d/70-vfio-gpu.rules /usr/bin/vfio-gpuctl')
RECOVER = f'vfio-gpu-recover@{VM}.service'
STEPS = 'desktop', 'bind'


def commands(pc):
    """What the units of the swap run when they stop, without the times of the last run."""
    return [prop(pc, step(name), 'ExecStopPost').split(' ; ')[:2] for name in STEPS]


def shown(pc):
    """What the units are for the service manager, but for the times of the last run; lists have no order."""
    names = ' '.join(step(name) for name in STEPS)
    text = pc.sh(f'systemctl show --property=Requires,After,Conflicts,TimeoutStopUSec,ExecStart,ExecStopPost {names}')
    return [sorted(line.split(' ; start_time')[0].replace('=', ' ', 1).split()) for line in text.splitlines()]


def remove_package(pc):
    pc.sh(f'tar -cPf /run/package.tar {PACKAGE} && rm -r {PACKAGE} && udevadm control --reload')


def install_package(pc):
    pc.sh('tar -xPf /run/package.tar && rm /run/package.tar && udevadm control --reload && systemctl daemon-reload', 120)


def case_configuration(pc):
    """Settings changed, the VM's section deleted, nonsense saved: the swap ends as it began, and the journal tells of it."""
    host = Host(pc)
    host.start()
    before = commands(pc)
    for config in ONE_VM + 'Consoles=keep\nReturn=rescan\nStopUnits=none.service\n', '[VM other]\n[VM\n=\n':
        pc.config(config)
        assert commands(pc) == before
    host.handed_over(picture=False)
    host.stop()
    assert states(pc, 'lightdm.service') == ['active']
    demand(pc.journal('-t', 'vfio-gpu-generator'), f'VM {VM} has the GPU, and its swap ends as it began',
           f'VM {VM} has the GPU and is no longer in the configuration')
    demand(story(pc), 'the configuration has changed during the swap, or the package')
    pc.config(ONE_VM)
    host.is_as_before()


def case_ten_reloads(pc):
    """However often the service manager reads its units again, they are what they were."""
    host = Host(pc)
    host.start()
    before = shown(pc)
    pc.sh('for n in 1 2 3 4 5 6 7 8 9 10; do systemctl daemon-reload; done', 120)
    assert shown(pc) == before
    host.handed_over(picture=False)
    host.stop()
    host.is_as_before()


def case_generator_masked(pc):
    """A masked generator leaves the swap as it is."""
    host = Host(pc)
    host.start()
    pc.sh('mkdir -p /etc/systemd/system-generators && ln -s /dev/null /etc/systemd/system-generators/vfio-gpu-generator && '
          'systemctl daemon-reload')
    host.stop()
    assert states(pc, 'lightdm.service', entry(VM)) == ['active', 'inactive']
    pc.sh('rm /etc/systemd/system-generators/vfio-gpu-generator && systemctl daemon-reload')
    host.is_as_before()


def case_package_upgraded(pc):
    """Other programs and units in the place of those that the swap began with are not run."""
    host = Host(pc)
    host.start()
    pc.sh(f"""
        cp {GENERATOR} /run
        for f in /usr/libexec/vfio-gpu/* {GENERATOR}; do cp --remove-destination /bin/false $f; done
        sed -i 's,^Exec.*=.*,&.new,' /usr/lib/systemd/system/vfio-gpu*@.service
        systemctl daemon-reload""")
    host.stop()
    pc.sh(f'cp --remove-destination /run/vfio-gpu-generator {GENERATOR} && systemctl daemon-reload')
    host.is_as_before()


def case_package_removed(pc):
    """Without the package, and without its configuration, a stop gives the desktop back."""
    host = Host(pc)
    host.start()
    remove_package(pc)
    pc.sh('mv /etc/vfio-gpu.conf /run && systemctl daemon-reload')
    host.stop()
    assert states(pc, 'lightdm.service') == ['active']
    pc.sh('mv /run/vfio-gpu.conf /etc')
    install_package(pc)
    host.is_as_before()


def case_package_removed_unnoticed(pc):
    """Nor does the service manager have to be told that the package is gone."""
    host = Host(pc)
    host.start()
    remove_package(pc)
    host.stop()
    pc.wait_until('systemctl is-active -q lightdm.service && [ -z "$(ls /run/vfio-gpu)" ]', 60)
    install_package(pc)
    host.is_as_before(failed=[entry(VM), RECOVER])


def case_package_removed_and_a_step_fails(pc):
    """The second attempt at a way back that was left unfinished does not need the package either."""
    host = Host(pc, units=[drop_in(step('bind'), 'ExecStopPost=\nExecStopPost=/bin/false')])
    host.start()
    remove_package(pc)
    pc.sh('systemctl daemon-reload')
    pc.run(f'systemctl stop {entry(VM)}')
    pc.wait_until('[ -z "$(ls /run/vfio-gpu)" ] && systemctl is-active -q lightdm.service', 60)
    demand(story(pc), 'undoing what the records', 'the host has its GPU back')
    install_package(pc)
    host.is_as_before(failed=[entry(VM), step('bind')])
