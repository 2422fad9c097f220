/* `trawl demo --ct`: a log on this machine grows for some seconds, and watch looks at it. */
#ifndef TOOLS_TRAWL_DEMO_CT_H
#define TOOLS_TRAWL_DEMO_CT_H

#include "tools/trawl/command.h"

enum exit_code demo_ct(void);

#endif
