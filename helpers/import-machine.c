/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain.h"
#include "import-hooks.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

#define FILE_MAX (1024 * 1024)

/* The size of huge pages where a script does not say which, from "Hugepagesize:    2048 kB". */
static int read_page_size(Import *import) {
        _cleanup_free_ char *path = root_path("/proc/meminfo"), *text = NULL;
        const char *size;
        unsigned long kib = 2048;

        if (!path)
                return -ENOMEM;
        if (read_text_file(path, FILE_MAX, &text) >= 0 && (size = strstr(text, "Hugepagesize:")))
                kib = strtoul(size + strlen("Hugepagesize:"), NULL, 10);
        import->machine.page_size = record_page_size(&import->arena, kib);
        return import->machine.page_size ? 0 : -ENOMEM;
}

int import_read_machine(Import *import) {
        _cleanup_free_ char *path = root_path("/etc/systemd/system/display-manager.service"), *unit = NULL;

        if (!path)
                return -ENOMEM;
        if (read_link_name(path, &unit) >= 0) {
                import->machine.display_manager = arena_strndup(&import->arena, unit, strlen(unit));
                if (!import->machine.display_manager)
                        return -ENOMEM;
        }
        return read_page_size(import);
}

static int keep_hostdevs(Import *import, ImportVm *vm, const Hostdev *hostdevs) {
        Strings devices = { 0 };
        int r = 0;

        for (; hostdevs->address && r >= 0; hostdevs++)
                r = strings_add(&import->arena, &devices,
                                arena_strndup(&import->arena, hostdevs->address, strlen(hostdevs->address)));
        vm->hostdevs = devices.list;
        return r;
}

/* What scripts name no function for they leave to libvirt, whose definition of the VM does. */
static int read_hostdevs(Import *import, ImportVm *vm) {
        _cleanup_domain_ Domain domain = { 0 };
        _cleanup_free_ char *path = NULL;
        char *file;

        if (!vm->name)
                return 0;
        file = arena_printf(&import->arena, "/etc/libvirt/qemu/%s.xml", vm->name);
        path = file ? root_path("%s", file) : NULL;
        if (!path)
                return -ENOMEM;
        if (domain_read(path, &domain) < 0)
                return 0;
        vm->hostdevs_file = file;
        return keep_hostdevs(import, vm, domain.hostdevs);
}

static int add_function(ImportVm *vm, const Fact *like, const char *address) {
        Fact fact = *like;

        fact.action = ACTION_TAKE;
        fact.object = address;
        return facts_add(&vm->facts, &fact);
}

/* A script of this kind takes all of a group but its bridges. */
static int resolve_group(ImportVm *vm, const Fact *fact) {
        _cleanup_free_ char *path = root_path("/sys/bus/pci/devices/%s/iommu_group/devices", fact->object);
        _cleanup_strv_free_ char **members = NULL;
        int r = 0;

        if (!path)
                return -ENOMEM;
        if (pci_list(path, &members) < 0) {
                Fact unknown = *fact;

                unknown.action = ACTION_UNKNOWN;
                unknown.value = "takes its whole IOMMU group, which cannot be looked up here: see that Devices= "
                                "has all of it";
                return facts_add(&vm->facts, &unknown);
        }
        STRV_FOREACH(member, members) {
                int class = pci_class(*member);

                if (r >= 0 && class >= 0 && !pci_class_is_bridge(class))
                        r = add_function(vm, fact, *member);
        }
        return r;
}

static int resolve_id(ImportVm *vm, const Fact *fact) {
        _cleanup_free_ char *path = root_path("/sys/bus/pci/devices");
        _cleanup_strv_free_ char **functions = NULL;
        unsigned vendor, device;
        int r = 0;

        if (!path)
                return -ENOMEM;
        if (sscanf(fact->object, "%x%*1[ :]%x", &vendor, &device) != 2)
                return 0;
        (void) pci_list(path, &functions);
        STRV_FOREACH(function, functions) {
                unsigned long its_vendor, its_device;

                if (r >= 0 && pci_read_number(*function, "vendor", &its_vendor) >= 0 &&
                    pci_read_number(*function, "device", &its_device) >= 0 && its_vendor == vendor &&
                    its_device == device)
                        r = add_function(vm, fact, *function);
        }
        return r;
}

int import_resolve(Import *import, ImportVm *vm) {
        size_t n = vm->facts.n;
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                /* The list moves as it grows. */
                const Fact fact = vm->facts.list[i];
                size_t before = vm->facts.n;

                if (fact.action == ACTION_TAKE_GROUP)
                        r = resolve_group(vm, &fact);
                else if (fact.action == ACTION_TAKE_ID)
                        r = resolve_id(vm, &fact);
                if (r >= 0 && fact.action == ACTION_TAKE_ID && vm->facts.n > before) {
                        vm->facts.list[i].use = USE_LINE;
                        vm->facts.list[i].reason = "Devices";
                }
        }
        return r < 0 ? r : read_hostdevs(import, vm);
}

bool import_is_defined(const char *vm) {
        _cleanup_free_ char *directory = root_path("/etc/libvirt/qemu"), *file = NULL;
        _cleanup_strv_free_ char **names = NULL;
        bool knows_any = false;

        if (!directory || asprintf(&file, "%s.xml", vm) < 0 || list_directory(directory, &names) < 0)
                return true;
        STRV_FOREACH(name, names)
                knows_any |= endswith(*name, ".xml") != NULL;
        return !knows_any || strv_contains(names, file);
}
