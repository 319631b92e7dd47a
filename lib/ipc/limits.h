/* SPDX-License-Identifier: ISC */
/* Sizes of fields that several exchanges share, in octets. */
#ifndef IPC_LIMITS_H
#define IPC_LIMITS_H

#define IPC_ADDRESS_MAX 1024 /* a mailbox; RFC 5321 says 254, EAI more */
#define IPC_ORCPT_MAX   1100
#define IPC_HOST_MAX    256
#define IPC_TICKET_MAX  64
#define IPC_PASS_MAX    96
#define IPC_SEAL_MAX    64
#define IPC_DSN_MAX     11
#define IPC_REPLY_MAX   500
#define IPC_PHASE_MAX   24
#define IPC_TLS_MAX     63
#define IPC_NAME_MAX    64 /* transport, service, mechanism ... */

#endif
