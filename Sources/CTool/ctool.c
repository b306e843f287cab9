#include "ctool.h"
