/* SPDX-License-Identifier: GPL-2.0-only */
/* Only with TMEM_FAULTY: the fault that the parameter of that name asks for. */
#ifndef TMEM_LINUX_FAULTY_H
#define TMEM_LINUX_FAULTY_H

void tmem_faulty(void);

#endif
