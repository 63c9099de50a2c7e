#include "dqt_port.h"
#include "dqt_server.h"

int main(void) {
    dqt_port_init();
    dqt_server_run();
}
