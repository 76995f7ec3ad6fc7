// SPDX-License-Identifier: GPL-2.0
/*
 * CPUs whose frequency can be set, as those of the emulated PC cannot: what
 * the governors ask for is noted, and that is all.
 */
#include <linux/cpufreq.h>
#include <linux/module.h>

static struct cpufreq_frequency_table frequencies[] = {
	{ .frequency = 1000000 },
	{ .frequency = 2000000 },
	{ .frequency = CPUFREQ_TABLE_END },
};
static unsigned int frequency = 1000000;

static int lab_init(struct cpufreq_policy *policy)
{
	policy->freq_table = frequencies;
	policy->cpuinfo.transition_latency = CPUFREQ_ETERNAL;
	return 0;
}

static int lab_target(struct cpufreq_policy *policy, unsigned int index)
{
	frequency = frequencies[index].frequency;
	return 0;
}

static unsigned int lab_get(unsigned int cpu)
{
	return frequency;
}

static struct cpufreq_driver driver = {
	.name = "lab",
	.init = lab_init,
	.verify = cpufreq_generic_frequency_table_verify,
	.target_index = lab_target,
	.get = lab_get,
};

static int __init lab_cpufreq_init(void)
{
	return cpufreq_register_driver(&driver);
}

static void __exit lab_cpufreq_exit(void)
{
	cpufreq_unregister_driver(&driver);
}

module_init(lab_cpufreq_init);
module_exit(lab_cpufreq_exit);
MODULE_DESCRIPTION("Stand-in for a driver of the CPUs' frequency");
MODULE_LICENSE("GPL");
