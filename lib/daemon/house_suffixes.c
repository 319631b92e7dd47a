/* SPDX-License-Identifier: ISC */
#include "daemon/house_suffixes.h"

#include "core/log.h"

int house_suffixes(const struct house_conf *house, struct public_suffixes **out)
{
	*out = NULL;
	if (house->dmarc_organizational_domain != ORGANIZATIONS_PSL)
		return 0;
	*out = public_suffixes_open();
	if (*out != NULL)
		return 0;
	log_error("dmarc_organizational_domain: there is no list of public "
		  "suffixes");
	return -1;
}
