#ifndef PRINTK_STUB_H
#define PRINTK_STUB_H

#include <stdio.h>

#define printk printf

#endif
