# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of a host to which something happened."""

from host import entry, OURS, VM

BACK, RECOVERED, LOST = 'back', 'recover', 'lost'


class NoReason(AssertionError):
    """The journal does not say why; the host came back, or not, all the same."""

    def __init__(self, result):
        super().__init__(f'the journal has no reason for the failure; the host: {result}')
        self.result = result


def settle(pc):
    """Until no job of the swap is left, and no unit that goes on without one because its job was cancelled."""
    pc.wait_until("! systemctl list-jobs --no-legend | grep -q vfio-gpu && "
                  "! systemctl list-units --no-legend --state=activating,deactivating 'vfio-gpu*' | grep -q .", 150, pause=0.5)


def forget_renewed(host):
    """A function that was away may be in a group of another number, and has no reset of its bus if another was there when it was
    found."""
    for topic, name in ('pci', 'iommu_group '), ('settings', 'reset_method:'):
        is_renewed = lambda line: line.startswith(tuple(f'{function}/{name}' for function in host.functions))  # noqa: E731
        host.state[topic] = ([line for line in host.state[topic] if not is_renewed(line)] +
                             [line for line in host.pc.host_state()[topic] if is_renewed(line)])


def is_back(host):
    """Units of the swap may have failed, nothing else."""
    try:
        host.is_back(failed=OURS)
        return True
    except AssertionError as error:
        print('# ' + str(error).replace('\n', '\n# '), flush=True)
        return False


def judge(pc, host):
    """Waits for the host as it was; if it does not come back, tries what a person would."""
    if is_back(host):
        return BACK
    pc.run(f'vfio-gpuctl recover {VM}', 120)
    return RECOVERED if is_back(host) else LOST


def has_reason(pc, since='-b'):
    """Whether what failed, if it did, is told by a program of ours, without the unit having to be known; journalctl's option says
    since when."""
    if pc.run(f"systemctl is-failed -q '{entry(VM)}'")[0]:
        return True
    # Those of the service manager's lines that are about a service of ours have the field, too, from systemd 254 on.
    return not pc.run(f"journalctl --sync; journalctl -q {since} -o json --output-fields=_PID --priority=err VFIO_GPU_VM={VM} | "
                      """grep -qv '"_PID":"1"'""")[0]
