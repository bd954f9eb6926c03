package ruletest

import "github.com/esolutions/esmon/services/query"

func queryConfig() query.Config { return query.DefaultConfig() }
