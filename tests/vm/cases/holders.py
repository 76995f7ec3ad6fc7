# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who has the GPU open when the display manager is down: processes, sessions on the seat, managers of users. The greeter is left
out, since it takes its time to come back."""

from host import demand, DEVICES, drop_in, entry, Host, prop, states, step, story, VM
from nvidia import in_order

# Who has the GPU's DRM device open, apart from those that do not count.
DRAWS = "fuser /dev/dri/card0 2>/dev/null | tr ' ' '\\n' | grep -vxE \"1|$(systemctl show -P MainPID systemd-logind)|\""

WESTON = 'weston --shell=kiosk-shell.so --use-pixman'

# The DRM device by another name, as in a container; a sound card; memory of a device that is closed by now.
HOLDERS = [
    ('box.service', "[Service]\nUser=user\nExecStart=/bin/sh -c 'exec 3</srv/box/dev/screen; exec sleep infinity'\n"),
    ('sound.service', "[Service]\nExecStart=/bin/sh -c 'exec 3</dev/snd/controlC0; exec sleep infinity'\n"),
    ('stubborn.service', '''[Service]
ExecStart=/usr/bin/perl -e '$$SIG{TERM} = "IGNORE"; open F, "<", "/dev/fb0"; syscall(9, 0, 4096, 1, 1, fileno F, 0); close F; sleep'
'''),
]

# As agetty --autologin and login together, the latter of which not every image has.
AUTOLOGIN = ('getty@.service.d/case.conf', '''[Service]
User=user
PAMName=login
WorkingDirectory=~
ExecStart=
ExecStart=-/bin/bash --login
''')

# What GDM does: a session of the greeter's, and in the manager of its user what draws for it, and a sound server. The session
# outlives the service.
GREETER = [
    ('greeter.service', '''[Service]
User=user
PAMName=login
TTYPath=/dev/tty9
StandardInput=tty
Environment=XDG_SESSION_CLASS=greeter XDG_SESSION_TYPE=wayland XDG_SEAT=seat0 XDG_VTNR=9
ExecStart=/bin/sh -c 'systemctl --user import-environment XDG_SESSION_ID; trap "" HUP; systemctl --user start --wait draw sound & exec sleep infinity'
KillMode=mixed
'''),
    ('../user/draw.service', f'[Service]\nExecStart={WESTON}\n'),
    ('../user/sound.service', "[Service]\nExecStart=/bin/sh -c 'exec 3</dev/snd/controlC0; exec sleep infinity'\n"),
]

LINGERING = [
    ('desktop.service', '[Service]\nExecStart=/usr/bin/sleep infinity\n'),
    ('../user/hold-it.service', "[Service]\nExecStart=/bin/sh -c 'exec 3</dev/dri/card0; exec sleep infinity'\n"),
    ('../user/hold-it.socket', '[Socket]\nListenSpecial=/dev/dri/card0\n'),
]

# Asks the manager of a user who has no session.
AS_USER = 'setpriv --reuid=user --clear-groups env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user'


def without_greeter(pc, config, units):
    pc.sh('systemctl stop lightdm.service')
    return Host(pc, DEVICES + config, units=units)


def show_console(pc, number):
    pc.sh(f"perl -e 'open F, \"<\", \"/dev/tty0\"; ioctl F, 0x5606, {number}'")


def log_in(pc, config, draw):
    """Logs a user in on tty2 and tty3, on the latter with something that draws."""
    host = without_greeter(pc, config, [AUTOLOGIN])
    pc.put('/home/user/.bash_profile', f'[ $(tty) = /dev/tty3 ] && {draw} >/dev/null 2>&1\n:\n')
    # logind may ask polkit about who draws, sooner or later.
    pc.sh('touch /home/user/once; chown -R user: /home/user; systemctl start polkit.service getty@tty2.service getty@tty3.service')
    show_console(pc, 3)
    pc.wait_until(DRAWS)
    host.state = pc.host_state()
    return host


def drawing(pc):
    """Name and pid of the one process that draws."""
    return pc.sh(f'p=$({DRAWS}); echo $(cat /proc/$p/comm) $p').split()


def sessions(pc):
    """Those that have a terminal, by that."""
    lines = pc.sh('''
        for s in $(loginctl list-sessions --no-legend | awk '{print $1}')
        do echo $(loginctl show-session --property=TTY --value $s) $s; done''').splitlines()
    return dict(line.split() for line in lines if ' ' in line)


def failed(*vms):
    return [unit for vm in vms for unit in (entry(vm), step('desktop', vm))]


def case_refused_terminated_killed(pc):
    """Whoever has one of the nodes open or mapped is named; Holders=terminate ends those that can be asked, kill all of them."""
    host = without_greeter(pc, '[Host]\nHoldersTimeoutSec=1\n[VM refuses]\n[VM terminates]\nHolders=terminate\n'
                           '[VM kills]\nHolders=kill\n', HOLDERS)
    box, sound, stubborn = pc.sh('''
        mkdir -p /srv/box/dev
        mknod -m 666 /srv/box/dev/screen c $(stat -c '0x%t 0x%T' /dev/dri/card0)
        systemctl start box sound stubborn
        systemctl show -P MainPID box sound stubborn''').split()
    pc.wait_until(f'ls -l /proc/{{{box},{sound}}}/fd | grep -c /dev/s | grep -qx 2 && grep -q /dev/fb0 /proc/{stubborn}/maps && '
                  f'! ls -l /proc/{stubborn}/fd | grep -q /dev/fb0')
    stubborn = f'perl (pid {stubborn}, stubborn.service of root) on /dev/fb0'
    demand(host.start_fails('refuses'), 'the GPU is still in use after 1 s: ', stubborn, 'or set Holders=terminate',
           f'sleep (pid {box}, box.service of user) on /dev/dri/card0',
           f'sleep (pid {sound}, sound.service of root) on /dev/snd/controlC0')
    assert states(pc, 'box.service', 'sound.service', 'stubborn.service') == ['active'] * 3

    demand(host.start_fails('terminates'), f'in use after 1 s: {stubborn}; stop it, or name its unit in StopUnits=, '
           'or set Holders=kill')
    assert states(pc, 'box.service', 'sound.service', 'stubborn.service') == ['inactive', 'inactive', 'active']

    host.start('kills')
    host.handed_over('kills', picture=False)
    host.stop('kills')
    host.is_as_before(failed=['stubborn.service', *failed('refuses', 'terminates')])


def case_held_again(pc):
    """Who opens a node when the desktop has let go keeps its driver from being unbound, which would wait in the kernel."""
    holds = 'again.service', "[Service]\nExecStart=/bin/sh -c 'exec 3</dev/snd/controlC0; : >/run/held; exec sleep infinity'\n"
    starts = "ExecStartPre=/bin/sh -c 'systemctl start again.service; until [ -e /run/held ]; do sleep 0.05; done'"
    host = without_greeter(pc, '[Host]\nHoldersTimeoutSec=1\n[VM refuses]\n[VM kills]\nHolders=kill\n',
                           [holds, drop_in(step('bind', 'refuses'), starts), drop_in(step('bind', 'kills'), starts)])
    demand(host.start_fails('refuses'), 'the GPU is in use again, and still after 1 s, by sleep (pid ', 'again.service of root) on /dev/snd/controlC0')
    pc.sh('systemctl stop again.service; rm /run/held')
    host.is_as_before(failed=[entry('refuses'), step('bind', 'refuses')])
    host.start('kills')
    host.handed_over('kills', picture=False)
    host.stop('kills')
    host.is_as_before(failed=['again.service', entry('refuses'), step('bind', 'refuses')])


def case_startx_on_a_getty(pc):
    """What startx has brought up on a text console ends as a graphical session and stays away; a shell elsewhere goes on."""
    host = log_in(pc, '[Host]\nHoldersTimeoutSec=1\n[VM keeps]\nSessions=keep\n[VM ends]\nHoldersTimeoutSec=5\n',
                  'rm once && exec startx')
    name, pid = drawing(pc)
    before = sessions(pc)
    who = f'session {before["tty3"]} of user on seat0'
    demand(host.start_fails('keeps'), f'{name} (pid {pid}, {who}) on /dev/dri/card0; stop it, or set Sessions=end, '
           'or set Holders=terminate')

    host.start('ends')
    host.handed_over('ends', picture=False)
    demand(story(pc, 'ends'), f'ending {who}, which is not started again after the swap; if getty@tty3.service logs in by itself')
    host.stop('ends')
    host.is_as_before(failed=failed('keeps'))
    after = sessions(pc)
    assert after['tty2'] == before['tty2'] and after.get('tty3') != before['tty3'], (before, after)


def case_session_without_inotify(pc):
    """Sessions are ended, and waited for, where nothing is left of what inotify has for root."""
    host = log_in(pc, f'[VM {VM}]\n', 'rm once && exec startx')
    instances = '/proc/sys/fs/inotify/max_user_instances'
    pc.sh(f'cp {instances} /run/instances; echo 0 >{instances}')
    host.start()
    host.handed_over(picture=False)
    demand(story(pc), 'ending session')
    # A login needs one as well.
    pc.sh(f'cat /run/instances >{instances}; systemctl reset-failed getty@tty3.service; systemctl restart getty@tty3.service')
    host.stop()
    host.is_as_before()


def case_compositor_of_a_getty(pc):
    """Without a display manager the getty that logs in by itself is the unit to stop, and brings the compositor back."""
    host = log_in(pc, f'[VM {VM}]\nStopUnits=getty@tty3.service\nHoldersTimeoutSec=5\n', f'exec {WESTON}')
    assert drawing(pc)[0] == 'weston'
    host.start()
    host.handed_over(picture=False)
    assert list(sessions(pc)) == ['tty2']
    host.stop()
    host.is_as_before()
    pc.wait_until(DRAWS)
    assert drawing(pc)[0] == 'weston'


def case_greeter_like_gdm(pc):
    """A greeter whose session outlives its service, and whose user's manager outlives both, lets go of the GPU at once."""
    host = without_greeter(pc, f'[VM {VM}]\nStopUnits=greeter.service\nHoldersTimeoutSec=6\n', GREETER)
    show_console(pc, 9)
    pc.sh('chmod 666 /dev/snd/controlC0; systemctl start greeter.service')
    pc.wait_until(DRAWS + ' && fuser -s /dev/snd/controlC0 && loginctl list-sessions | grep -q tty9')
    host.state = pc.host_state()
    session = sessions(pc)['tty9']
    host.start()
    host.handed_over(picture=False)
    said = story(pc)
    demand(said, f'ending session {session} of user on seat0', 'stopping user@1000.service: user has no session any more, and ')
    assert 'has not ended in time' not in said, said
    host.stop()
    host.is_as_before()
    pc.wait_until(DRAWS)
    assert drawing(pc)[0] == 'weston'


def case_lingering_manager(pc):
    """StopUserUnits= stops what the manager of a user who has no session runs, while the desktop is still up; a manager that is
    frozen, and one that is gone, keep nobody."""
    host = without_greeter(pc, f'[VM {VM}]\nStopUnits=desktop.service\nStopUserUnits=hold-*\nHoldersTimeoutSec=1\n',
                           LINGERING)
    pc.sh(f'''
        chmod 666 /dev/dri/card0
        loginctl enable-linger user
        loginctl enable-linger lightdm
        frozen=user@$(id -u lightdm).service
        systemctl start desktop.service user@1000.service $frozen
        {AS_USER} start hold-it
        systemctl freeze $frozen
        mkdir -p /run/user/4242
        touch /run/systemd/users/4242
        perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "/run/user/4242/bus", Listen => 1)'
        chown 4242 /run/user/4242/bus''')
    pc.wait_until(DRAWS)
    host.start()
    host.handed_over(picture=False)
    demand(story(pc), 'stopping user unit hold-it.service of user, which is not started again after the swap',
           'the service manager of lightdm has not stopped its units', 'the service manager of 4242 has not stopped its units')
    in_order(pc.journal(), 'Stopped hold-it.service', 'Stopping desktop.service')


def case_held_by_a_users_manager(pc):
    """The manager of a user counts, though it runs PID 1's program."""
    host = without_greeter(pc, f'[VM {VM}]\nHoldersTimeoutSec=1\n', LINGERING)
    pc.sh(f'''
        chmod 666 /dev/dri/card0
        loginctl enable-linger user
        systemctl start user@1000.service
        {AS_USER} start hold-it.socket''')
    pid = prop(pc, 'user@1000.service', 'MainPID')
    demand(host.start_fails(), f'systemd (pid {pid}, user unit init.scope of user) on /dev/dri/card0')
    assert states(pc, 'user@1000.service') == ['active']


def case_unit_that_no_user_has(pc):
    """A name in StopUserUnits= that no user's manager has a unit of is told, and neither one that does not run nor a pattern is."""
    host = without_greeter(pc, f'[VM {VM}]\nStopUnits=desktop.service\nStopUserUnits=hold-it.service hold-on.service none-*\n'
                           'HoldersTimeoutSec=1\n', LINGERING)
    pc.sh('''
        loginctl enable-linger user
        systemctl stop user@$(id -u lightdm).service
        systemctl start desktop.service user@1000.service''')
    host.start()
    said = story(pc)
    demand(said, "StopUserUnits= names hold-on.service, and no user's service manager has such a unit now")
    assert said.count('StopUserUnits= names') == 1, said
