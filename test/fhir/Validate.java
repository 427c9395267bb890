// Validates resources of FHIR R4 with HAPI's validator, offline: the definitions come from its jar of R4.
//
// usage: java Validate.java FILE: a line each of name, tab and resource. One whose name begins with "wrong" must be
// refused; any other may have no error, and no warning but those below.
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

class Validate {
  // Said of every Observation that is made by a machine, and of codes of systems that R4 does not hold.
  private static final Pattern EXPECTED = Pattern.compile(
      "CodeSystem is unknown and can't be validated"
          + "|None of the codings provided are in the value set 'Vital Signs'"
          + "|dom-6: 'A resource should have narrative"
          + "|all observations should have a performer"
          + "|UCUM Codes that contain human readable annotations");

  public static void main(String[] arguments) throws Exception {
    FhirContext context = FhirContext.forR4();
    FhirValidator validator = context.newValidator();
    validator.registerValidatorModule(new FhirInstanceValidator(new ValidationSupportChain(
        new DefaultProfileValidationSupport(context), new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context))));
    int passed = 0;
    int failed = 0;
    for (String line : Files.readAllLines(Path.of(arguments[0]))) {
      String name = line.substring(0, line.indexOf('\t'));
      List<SingleValidationMessage> messages =
          validator.validateWithResult(line.substring(name.length() + 1)).getMessages();
      boolean refused = messages.stream().anyMatch(m -> m.getSeverity().compareTo(ResultSeverityEnum.ERROR) >= 0);
      List<SingleValidationMessage> unexpected = messages.stream()
          .filter(m -> m.getSeverity().compareTo(ResultSeverityEnum.WARNING) >= 0)
          .filter(m -> !EXPECTED.matcher(m.getMessage()).find()).toList();
      boolean good = name.startsWith("wrong") ? refused : unexpected.isEmpty();
      if (good) {
        ++passed;
      } else {
        ++failed;
        System.out.println("not ok - " + name);
        unexpected.forEach(
            m -> System.out.println("#   " + m.getSeverity() + " " + m.getLocationString() + ": " + m.getMessage()));
      }
    }
    System.out.println(passed + " passed, " + failed + " failed");
    System.exit(passed > 0 && failed == 0 ? 0 : 1);
  }
}
