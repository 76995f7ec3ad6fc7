/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-command.h"
#include "module-name.h"

static int add_function(Recorder *recorder, const ShellCall *call, Action action, const char *device) {
        char *address = device ? record_address(recorder, device) : NULL;

        if (address)
                return command_adds(recorder, call, action, address, "");
        return command_unknown_function(recorder, call, action != ACTION_GIVE);
}

int run_virsh(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        static const char with_value[] = "-c --connect -d --debug -l --log --driver";
        static const char questions[] =
                "list dominfo domstate dumpxml nodedev-list nodedev-dumpxml version domid vcpuinfo nodeinfo "
                "capabilities domblklist";
        size_t i = 1;
        const char *verb = command_operand(call, &i, with_value), *device;

        *ret = SHELL_MAYBE;
        if (!verb || shell_word_in(questions, verb))
                return 1;
        *ret = SHELL_EXPECTED;
        device = command_option(call, "--device", "--device");
        if (!device)
                device = command_operand(call, &i, with_value);
        if (streq(verb, "nodedev-detach") || streq(verb, "nodedev-dettach"))
                return add_function(recorder, call, ACTION_TAKE, device);
        if (streq(verb, "nodedev-reattach"))
                return add_function(recorder, call, ACTION_GIVE, device);
        if (streq(verb, "nodedev-reset"))
                return command_needless(recorder, call,
                                        "a reset: vfio-pci resets a function when a VM opens and closes it");
        return command_leaves(recorder, call, "calls libvirt, which a hook must not do");
}

/* Takes a PCI address, a pair of IDs or both. */
int run_pci_bind(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        const char *device = NULL;

        *ret = SHELL_EXPECTED;
        for (size_t i = 1; i < call->n_words; i++)
                if (!device || strchr(call->words[i], '.'))
                        device = call->words[i];
        if (!device || !shell_is_known(device) || strchr(device, '.'))
                return add_function(recorder, call, ACTION_TAKE_GROUP, device);
        return command_adds(recorder, call, ACTION_TAKE_ID, device, "");
}

int run_driverctl(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        static const char with_value[] = "-b --bus";
        size_t i = 1;
        const char *verb = command_operand(call, &i, with_value), *device = command_operand(call, &i, with_value),
                   *driver = command_operand(call, &i, with_value);

        *ret = SHELL_EXPECTED;
        if (verb && streq(verb, "set-override"))
                return add_function(recorder, call,
                                    driver && streq(driver, "vfio-pci") ? ACTION_TAKE : ACTION_GIVE, device);
        if (verb && streq(verb, "unset-override"))
                return add_function(recorder, call, ACTION_GIVE, device);
        *ret = SHELL_MAYBE;
        return 1;
}

static int add_module(Recorder *recorder, const ShellCall *call, Action action, const char *name) {
        char *module = arena_strndup(recorder->facts->arena, name, strlen(name));

        if (!module)
                return -ENOMEM;
        if (!shell_is_known(name) && action == ACTION_LOAD && !recorder->is_start)
                return command_adds(recorder, call, ACTION_LOAD_SOME, "", "");
        if (!shell_is_known(name))
                return command_leaves(recorder, call, "the name of the module is not known");
        if (!module_name_is_valid(name))
                return command_leaves(recorder, call, "that is no name of a module");
        if (streq(name, "auto") || streq(name, "no"))
                return command_leaves(recorder, call, "UnloadModules= knows this word in another meaning");
        for (char *p = module; *p; p++)
                if (*p == '-')
                        *p = '_';
        return command_adds(recorder, call, action, module, "");
}

/* All devices with these IDs, "10de:1b80,10de:10f0", are vfio-pci's from then on. */
static int take_ids(Recorder *recorder, const ShellCall *call, const char *ids) {
        int r = 1;

        if (!shell_is_known(ids))
                return command_unknown_function(recorder, call, true);
        while (*ids && r > 0) {
                size_t n = strcspn(ids, ",");
                char *id = arena_strndup(recorder->facts->arena, ids, n);

                if (!id)
                        return -ENOMEM;
                r = command_adds(recorder, call, ACTION_TAKE_ID, id, "");
                ids += n + (ids[n] == ',');
        }
        return r;
}

int run_modprobe(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        static const char with_value[] = "-w --wait -C --config -d --dirname -S";
        bool removes = streq(shell_base_name(call->words[0]), "rmmod"), of_vfio = false;
        size_t i = 1;
        int r = 1;

        *ret = SHELL_EXPECTED;
        for (size_t k = 1; k < call->n_words; k++) {
                const char *word = call->words[k];

                removes |= streq(word, "--remove") || (word[0] == '-' && word[1] != '-' && strchr(word, 'r'));
        }
        for (const char *name; r > 0 && (name = command_operand(call, &i, with_value));)
                if (!strchr(name, '=')) {
                        of_vfio = streq(name, "vfio-pci") || streq(name, "vfio_pci");
                        r = add_module(recorder, call, removes ? ACTION_UNLOAD : ACTION_LOAD, name);
                } else if (of_vfio && startswith(name, "ids="))
                        r = take_ids(recorder, call, name + strlen("ids="));
        return r;
}
