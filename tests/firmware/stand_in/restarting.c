/* In place of an emulated port's dqt_port_fault(), by the linker's --wrap: restarts, as ports on silicon do. */
#include "dqt_cortexm.h"

void __wrap_dqt_port_fault(const dqt_fault_info *info) __attribute__((noreturn));

void __wrap_dqt_port_fault(const dqt_fault_info *info) {
    (void)info;
    dqt_cortexm_fault();
}
