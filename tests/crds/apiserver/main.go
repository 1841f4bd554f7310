// Records what the API server says to changed ScalingPolicies, by its own code and without a cluster: the CRD is
// accepted or not (structure, defaults, estimated cost of its rules), then each policy is pruned, defaulted and
// validated (schema, list types, CEL).
//
//	cd tests/crds/apiserver && go run . ../../../crds/generated/scalingpolicies.outrider.dev.yaml verdicts.json
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

type verdicts struct {
	Kubernetes string          `json:"kubernetes"`
	Policy     json.RawMessage `json:"policy"`
	Cases      []verdict       `json:"cases"`
}

type verdict struct {
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
	Says  []string        `json:"says"`
}

// Rules are not evaluated once one of these is found, as in the API server.
var blocking = map[field.ErrorType]bool{
	field.ErrorTypeNotSupported: true, field.ErrorTypeRequired: true, field.ErrorTypeTooLong: true,
	field.ErrorTypeTooMany: true, field.ErrorTypeTypeInvalid: true,
}

func main() {
	props := accepted(read(os.Args[1]))
	structural := must(schema.NewStructural(props))
	validator, _, err := validation.NewSchemaValidator(props)
	check(err)
	rules := cel.NewValidator(structural, true, celconfig.PerCallLimit)

	var all verdicts
	check(json.Unmarshal(read(os.Args[2]), &all))
	for i, it := range all.Cases {
		policy := changed(all.Policy, it)
		pruning.PruneWithOptions(policy, structural, true, schema.UnknownFieldPathOptions{})
		defaulting.PruneNonNullableNullsWithoutDefaults(policy, structural)
		defaulting.Default(policy, structural)
		found := validation.ValidateCustomResource(nil, policy, validator)
		found = append(found, listtype.ValidateListSetsAndMaps(nil, structural, policy)...)
		stop := false
		for _, problem := range found {
			stop = stop || blocking[problem.Type]
		}
		if !stop {
			broken, _ := rules.Validate(context.Background(), nil, structural, policy, nil, celconfig.RuntimeCELCostBudget)
			found = append(found, broken...)
		}
		all.Cases[i].Says = []string{}
		for _, problem := range found {
			all.Cases[i].Says = append(all.Cases[i].Says, problem.Error())
		}
	}
	write(os.Args[2], all)
}

func accepted(manifest []byte) *apiextensions.JSONSchemaProps {
	var external v1.CustomResourceDefinition
	check(yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096).Decode(&external))
	v1.SetDefaults_CustomResourceDefinition(&external)
	v1.SetDefaults_CustomResourceDefinitionSpec(&external.Spec)
	var crd apiextensions.CustomResourceDefinition
	check(v1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&external, &crd, nil))
	crd.Status.StoredVersions = []string{crd.Spec.Versions[0].Name}
	if found := crdvalidation.ValidateCustomResourceDefinition(context.Background(), &crd); len(found) > 0 {
		check(found.ToAggregate())
	}
	if crd.Spec.Validation != nil {
		return crd.Spec.Validation.OpenAPIV3Schema
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// changed decodes as the API server does: whole numbers are int64.
func changed(policy []byte, it verdict) map[string]any {
	var whole map[string]any
	var value any
	check(utiljson.Unmarshal(policy, &whole))
	check(utiljson.Unmarshal(it.Value, &value))
	names := strings.Split(it.Path, ".")
	place := whole
	for _, name := range names[:len(names)-1] {
		if place[name] == nil {
			place[name] = map[string]any{}
		}
		place = place[name].(map[string]any)
	}
	place[names[len(names)-1]] = value
	return whole
}

// write puts each case on a line of its own, so that a change of one is a change of one line.
func write(path string, all verdicts) {
	lines := []string{}
	for _, it := range all.Cases {
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		check(encoder.Encode(it))
		lines = append(lines, "  "+strings.TrimSpace(line.String()))
	}
	var policy bytes.Buffer
	check(json.Compact(&policy, all.Policy))
	text := fmt.Sprintf("{\"kubernetes\": %q,\n \"policy\": %s,\n \"cases\": [\n%s\n]}\n",
		all.Kubernetes, policy.String(), strings.Join(lines, ",\n"))
	check(os.WriteFile(path, []byte(text), 0o644))
}

func read(path string) []byte { return must(os.ReadFile(path)) }

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
