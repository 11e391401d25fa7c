package rpc

import (
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
	"sonde.dev/sonde/server/internal/fleet"
)

// itself is the need of procedures whose calls bring a secret of their own.
const itself fleet.Role = "itself"

// needs says for each procedure the least role that may call it. One that is not
// here may be called by nobody.
var needs = map[string]fleet.Role{
	sondev1connect.AgentServiceEnrollProcedure:  itself,
	sondev1connect.AgentServiceConnectProcedure: itself,

	sondev1connect.FleetServiceListAgentsProcedure:       fleet.Viewer,
	sondev1connect.FleetServiceGetAgentProcedure:         fleet.Viewer,
	sondev1connect.FleetServiceUpdateAgentProcedure:      fleet.Operator,
	sondev1connect.FleetServiceRemoveAgentProcedure:      fleet.Operator,
	sondev1connect.FleetServiceRotateCredentialProcedure: fleet.Operator,
	sondev1connect.FleetServiceRevokeCredentialProcedure: fleet.Operator,

	sondev1connect.ConfigServiceGetConfigProcedure:        fleet.Viewer,
	sondev1connect.ConfigServicePreviewConfigProcedure:    fleet.Viewer,
	sondev1connect.ConfigServiceApplyConfigProcedure:      fleet.Operator,
	sondev1connect.ConfigServiceRollBackProcedure:         fleet.Operator,
	sondev1connect.ConfigServiceListRevisionsProcedure:    fleet.Viewer,
	sondev1connect.ConfigServiceListAgentConfigsProcedure: fleet.Viewer,

	sondev1connect.AccessServiceGetSelfProcedure:          fleet.Viewer,
	sondev1connect.AccessServiceChangePasswordProcedure:   fleet.Viewer,
	sondev1connect.AccessServiceCreateLoginLinkProcedure:  fleet.Viewer,
	sondev1connect.AccessServiceListUsersProcedure:        fleet.Admin,
	sondev1connect.AccessServiceCreateUserProcedure:       fleet.Admin,
	sondev1connect.AccessServiceUpdateUserProcedure:       fleet.Admin,
	sondev1connect.AccessServiceRemoveUserProcedure:       fleet.Admin,
	sondev1connect.AccessServiceListApiTokensProcedure:    fleet.Admin,
	sondev1connect.AccessServiceCreateApiTokenProcedure:   fleet.Admin,
	sondev1connect.AccessServiceRevokeApiTokenProcedure:   fleet.Admin,
	sondev1connect.AccessServiceListJoinTokensProcedure:   fleet.Operator,
	sondev1connect.AccessServiceCreateJoinTokenProcedure:  fleet.Operator,
	sondev1connect.AccessServiceRevokeJoinTokenProcedure:  fleet.Operator,
	sondev1connect.AccessServiceListAuditEntriesProcedure: fleet.Operator,

	sondev1connect.QueryServiceQueryProcedure:           fleet.Viewer,
	sondev1connect.QueryServiceQueryRangeProcedure:      fleet.Viewer,
	sondev1connect.QueryServiceQueryHeatmapProcedure:    fleet.Viewer,
	sondev1connect.QueryServiceListSeriesProcedure:      fleet.Viewer,
	sondev1connect.QueryServiceListLabelValuesProcedure: fleet.Viewer,
	sondev1connect.QueryServiceWatchProcedure:           fleet.Viewer,

	"/" + grpchealth.HealthV1ServiceName + "/Check":                       fleet.Viewer,
	"/" + grpchealth.HealthV1ServiceName + "/Watch":                       fleet.Viewer,
	"/" + grpcreflect.ReflectV1ServiceName + "/ServerReflectionInfo":      fleet.Viewer,
	"/" + grpcreflect.ReflectV1AlphaServiceName + "/ServerReflectionInfo": fleet.Viewer,
}

// allowed returns an error unless p, who may be nobody, may call a procedure.
func allowed(procedure string, p fleet.Principal, known bool) error {
	need, listed := needs[procedure]
	switch {
	case !listed:
		return fleet.Errorf(fleet.PermissionDenied, "nobody may call %s", procedure)
	case need == itself:
		return nil
	case !known:
		return errStranger
	}
	return p.Require(need)
}
